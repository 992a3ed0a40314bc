"""A value stack is filled by role; what does not fit is refused."""

from types import MethodType

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import NULL
from hetmig.interpreter.filling import Entry, fill, fits
from hetmig.interpreter.labels import Label
from hetmig.interpreter.portable import places_of

SOURCE = "def f(): pass"
ROLES = places_of(compile(SOURCE, "s", "exec"), SOURCE).roles
EXIT, EXIT_SELF = Label("exit", "n"), Label("exit self", "n")
CALLABLE, SELF = Label("callable", "n"), Label("self", "n")


def filled(labels, *entries):
    return fill(ROLES, tuple(labels), [Entry(*entry) for entry in entries], lambda code: code)


def test_values_in_their_order():
    labels = Label("iterator", "a"), Label("null"), Label("value", "b"), Label("position")
    assert filled(labels, (("iterator", "a", ""), 1), (("value", "b", ""), 2)) == [1, NULL, 2, NULL]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], "there is no iterator of a"),
        ([(("iterator", "b", ""), 1)], "there is the iterator of b in place of the iterator of a"),
        ([(("value", "a", ""), 1)], "in place of"),
        ([(("iterator", "a", ""), 1), (("value", "b", ""), 2)], "no place for the value of b"),
    ],
)
def test_what_does_not_fit_is_refused(entries, reason):
    with pytest.raises(NotMigratable, match=reason):
        filled([Label("iterator", "a")], *entries)
    assert reason in fits((Label("iterator", "a"),), [Entry(*entry) for entry in entries])


def test_a_variable_without_a_place_is_known_by_its_name():
    # where one instruction loads two variables
    assert filled([Label("value", "", "x")], (("value", "n", "x"), 1)) == [1]
    with pytest.raises(NotMigratable):
        filled([Label("value", "", "x")], (("value", "n", "y"), 1))


def test_constants_are_dropped():
    assert filled([], (("constant", "n", ""), 5)) == []


def test_a_constant_there_is_a_value_here():
    assert filled([Label("value", "n")], (("constant", "n", ""), -1)) == [-1]


def test_the_exit_of_a_with_block_in_one_slot():
    (exit_,) = filled([EXIT], (tuple(EXIT), str.upper), (tuple(EXIT_SELF), "a"))
    assert isinstance(exit_, MethodType)
    assert exit_() == "A"
    assert filled([EXIT], (tuple(EXIT), len)) == [len]


def test_the_exit_of_a_with_block_in_two_slots():
    assert filled([EXIT, EXIT_SELF], (tuple(EXIT), len)) == [len, NULL]
    two = filled([EXIT, EXIT_SELF], (tuple(EXIT), str.upper), (tuple(EXIT_SELF), "a"))
    assert two == [str.upper, "a"]


def test_what_is_called_is_where_this_version_looks_for_it():
    wanted = [len, NULL] if cpython.CALLABLE_BELOW_NULL else [NULL, len]
    assert filled([CALLABLE, SELF], (tuple(CALLABLE), len)) == wanted
    assert filled([CALLABLE, SELF], (("value", "n", ""), len)) == wanted
    both = filled([CALLABLE, SELF], (tuple(CALLABLE), str.upper), (tuple(SELF), "a"))
    assert both == [str.upper, "a"]
