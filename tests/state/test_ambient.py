"""Process-wide state that a program has changed travels; what it has not touched does not."""

import decimal
import os
import random
import sys

import pytest

from hetmig.state.ambient import Ambient, put_back


@pytest.fixture(autouse=True)
def restored():
    state, limit, context = random.getstate(), sys.getrecursionlimit(), decimal.getcontext().copy()
    yield
    random.setstate(state)
    sys.setrecursionlimit(limit)
    decimal.setcontext(context)


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


def test_what_arrived_travels_on_even_if_unused():
    assert Ambient({"recursion limit": 5}).changed() == {"recursion limit": sys.getrecursionlimit()}


def test_recursion_limit_and_decimal_context():
    ambient = Ambient()
    sys.setrecursionlimit(7321)
    context = decimal.getcontext()
    context.prec, context.rounding = 50, decimal.ROUND_UP
    context.traps[decimal.Inexact] = True
    state = ambient.changed()
    assert set(state) == {"recursion limit", "decimal context"}
    sys.setrecursionlimit(2000)
    decimal.setcontext(decimal.Context())
    put_back(state)
    assert sys.getrecursionlimit() == 7321
    put_back_context = decimal.getcontext()
    assert (put_back_context.prec, put_back_context.rounding) == (50, decimal.ROUND_UP)
    assert put_back_context.traps[decimal.Inexact]


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
