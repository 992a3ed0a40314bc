"""A dictionary that is also the `__dict__` of an instance is both after a move; and the like."""

import pytest

import hetmig
from hetmig.testing import torture


class Plain:
    """An instance whose dictionary somebody holds."""


class Slotted(Plain):
    """The same, with a place outside of the dictionary."""

    __slots__ = ("beside",)


def holds_both():
    plain, slotted = Plain(), Slotted()
    names, slotted.beside = vars(plain), "beside"
    space = {"space": vars(slotted), "itself": slotted}
    for n in range(3):
        plain.n = n
        names[f"key{n}"] = n
        space["space"]["n"] = n
        vars(slotted)[f"more{n}"] = -n
    return names, vars(plain), vars(slotted), slotted.beside, vars(slotted) is space["space"]


def is_its_own_dictionary():
    plain = Plain()
    names = vars(plain)
    names["all"] = names
    for n in range(2):
        plain.n = n
    return sorted(names), plain.all is names, names["all"]["n"]


def test_what_is_given_to_one_is_in_the_other():
    assert torture(holds_both).migrated >= 4
    assert torture(holds_both, where="process", at_most=3).migrated == 3
    assert torture(is_its_own_dictionary).migrated >= 3


def test_the_dictionary_first():
    plain = Plain()
    plain.a = 1
    names, copy = hetmig.loads(hetmig.dumps((vars(plain), plain)))
    assert vars(copy) is names
    assert names == {"a": 1}
    assert names is not vars(plain)


class Answering:
    """Has an answer to whatever it is asked, out of what it holds."""

    def __init__(self) -> None:
        self.known = {"a": 1}

    def __getattr__(self, name: str) -> int:
        return self.known.get(name, len(name))


@pytest.mark.parametrize("portable", [False, True])
def test_one_that_answers_everything(portable: bool) -> None:
    answering = Answering()
    arrived = hetmig.loads(hetmig.dumps([answering, answering], portable=portable))
    assert arrived[0] is arrived[1]
    assert (vars(arrived[0]), arrived[0].a, arrived[0].other) == ({"known": {"a": 1}}, 1, 5)
