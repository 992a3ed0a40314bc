"""The structures of iterators are proven before they are read."""

from __future__ import annotations

import itertools

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter.insides import ABSENT, Insides
from hetmig.interpreter.iterators import INSIDES, insides_of


@pytest.mark.parametrize("cls", INSIDES, ids=lambda cls: cls.__qualname__)
def test_each_declaration_is_right_here(cls):
    assert INSIDES[cls].check() == ""


def test_every_itertools_type_is_declared():
    types = {
        cls
        for name, cls in vars(itertools).items()
        if isinstance(cls, type) and not name.startswith("__")
    }
    assert types - INSIDES.keys() == set()


def islices():
    source = iter("abc")
    made = itertools.islice(source, 1, 3)
    yield made, {"it": source, "next": 1, "stop": 3, "step": 1, "cnt": 0}
    next(made)
    yield made, {"it": source, "next": 2, "cnt": 2}


def test_a_true_declaration():
    insides = Insides("it* next stop step cnt", islices)
    assert insides.check() == ""
    made = itertools.islice("abcdef", 2, None, 3)
    assert insides.read(made)["step"] == 3


@pytest.mark.parametrize(
    ("declaration", "complaint"),
    [
        ("next it* stop step cnt", "it is not where"),
        ("it* stop next step cnt", "next is not where"),
        ("it* next:bool stop step cnt", "is not where"),
        ("it* next stop step cnt more more2 more3", "smaller"),
        ("it* next stop step cnt", ""),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(declaration, complaint):
    insides = Insides(declaration, islices)
    assert complaint in insides.check()
    made = itertools.islice("abc", 2)
    if complaint:
        with pytest.raises(NotMigratable, match="state of a islice"):
            insides.read(made)
    else:
        insides.read(made)


def test_what_no_witness_shows_is_not_proven():
    def one():
        source = iter("abc")
        yield itertools.islice(source, 3), {"it": source, "next": 0}

    assert Insides("it* next stop", one).check() == "stop could not be seen"


def test_a_witness_that_cannot_be_made_is_no_proof():
    def broken():
        raise AttributeError("gone")
        yield

    with pytest.raises(NotMigratable, match="gone"):
        Insides("it*", broken).read(iter(()))


def test_reading_changes_nothing():
    source = iter("abcdef")
    made = itertools.islice(source, 1, 5)
    for _ in range(3):
        assert insides_of(made)["it"] is source
    assert list(made) == ["b", "c", "d", "e"]
    assert insides_of(made)["it"] is ABSENT
    assert next(source) == "f"
