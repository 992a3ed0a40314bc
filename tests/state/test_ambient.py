"""Process-wide state that a program has changed travels; what it has not touched does not."""

import os
import random
import sys

import pytest

from hetmig.state.ambient import Ambient, put_back
from hetmig.state.pickling import dumps, loads


@pytest.fixture(autouse=True)
def restored():
    state, limit = random.getstate(), sys.getrecursionlimit()
    yield
    random.setstate(state)
    sys.setrecursionlimit(limit)


def test_nothing_changed_nothing_travels():
    assert Ambient().changed() == {}


def test_seeded_random_numbers_go_on():
    ambient = Ambient()
    random.seed(42)
    random.random()
    state = ambient.changed()
    assert list(state) == ["random numbers"]
    expected = [random.random() for _ in range(3)]
    random.seed()
    put_back(state)
    assert [random.random() for _ in range(3)] == expected


def test_random_numbers_that_were_only_drawn_travel():
    ambient = Ambient()
    random.random()
    expected = random.getstate()
    assert ambient.changed() == {"random numbers": expected}
    random.setstate(expected)


def test_the_second_of_two_gaussian_numbers_is_part_of_the_state():
    random.seed(1)
    random.gauss()
    before = random.getstate()
    ambient = Ambient()
    random.gauss()  # takes what the first call has left, and no number of the generator's
    assert random.getstate()[1] == before[1]
    assert list(ambient.changed()) == ["random numbers"]


def test_random_numbers_as_they_were_do_not_travel():
    state = random.getstate()
    ambient = Ambient()
    random.seed(5)
    random.setstate(state)
    assert ambient.changed() == {}


def test_a_generator_that_nobody_can_look_into(monkeypatch):
    monkeypatch.setattr(random, "getstate", lambda: "mine")
    ambient = Ambient()
    assert ambient.changed() == {}
    monkeypatch.setattr(random, "getstate", lambda: "another")
    assert ambient.changed() == {"random numbers": "another"}


def test_what_arrived_travels_on_even_if_unused():
    assert Ambient({"recursion limit": 5}).changed() == {"recursion limit": sys.getrecursionlimit()}


def test_recursion_limit():
    ambient = Ambient()
    sys.setrecursionlimit(7321)
    state = ambient.changed()
    assert state == {"recursion limit": 7321}
    sys.setrecursionlimit(2000)
    put_back(state)
    assert sys.getrecursionlimit() == 7321


def test_the_working_directory_where_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ambient = Ambient()
    there = tmp_path / "there"
    there.mkdir()
    os.chdir(there)
    state = ambient.changed()
    assert state == {"working directory": str(there)}
    os.chdir(tmp_path)
    put_back(state)
    assert os.getcwd() == str(there)
    put_back({"working directory": str(tmp_path / "missing")})
    assert os.getcwd() == str(there)


def test_numpy_random_state():
    numpy = pytest.importorskip("numpy")
    ambient = Ambient()
    before = numpy.random.get_state()
    try:
        numpy.random.seed(7)
        state = ambient.changed()
        expected = numpy.random.random(3).tolist()
        put_back(state)
        assert numpy.random.random(3).tolist() == expected
    finally:
        numpy.random.set_state(before)


def test_numpy_functions_and_their_generator_draw_from_one_sequence():
    numpy = pytest.importorskip("numpy")
    draw, shared = loads(dumps([numpy.random.random, numpy.random.mtrand._rand]))
    assert shared is numpy.random.mtrand._rand
    assert draw.__self__ is shared
    own = numpy.random.RandomState(3)
    moved = loads(dumps(own))
    assert moved is not own
    assert moved.random() == own.random()


def test_numpy_generators_go_on():
    numpy = pytest.importorskip("numpy")
    for make in (numpy.random.PCG64, numpy.random.MT19937, numpy.random.Philox):
        generator = numpy.random.Generator(make(5))
        generator.random(3)
        moved, draw, bits = loads(dumps([generator, generator.normal, generator.bit_generator]))
        assert moved.bit_generator is bits
        expected = [generator.random(), generator.normal(), generator.integers(10)]
        assert [moved.random(), draw(), moved.integers(10)] == expected
