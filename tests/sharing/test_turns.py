"""The fair lock: turns in order, fencing, who is given up."""

from __future__ import annotations

import pytest

from hetmig.errors import LockLost
from hetmig.sharing.turns import CHECK_SECONDS, STALE_SECONDS, Turns


def test_in_the_order_of_asking() -> None:
    turns = Turns()
    assert turns.ask("a", "A", 0.0) == 1
    assert [turns.ask(ticket, ticket.upper(), 1.0) for ticket in "bcd"] == [None] * 3
    turns.release(1)
    assert turns.ask("d", "D", 2.0) is None
    assert turns.ask("c", "C", 2.0) is None
    assert turns.ask("b", "B", 2.0) == 2
    assert turns.ask("b", "B", 2.0) == 2
    turns.release(2)
    assert turns.ask("c", "C", 3.0) == 3


def test_late_calls_of_a_holder_that_was_given_up() -> None:
    turns = Turns()
    assert turns.ask("a", "A", 0.0) == 1
    turns.require(1)
    turns.require(None)
    assert turns.to_be_checked(CHECK_SECONDS / 2) is None
    assert turns.to_be_checked(2 * CHECK_SECONDS) == "A"
    assert turns.to_be_checked(2.5 * CHECK_SECONDS) is None
    turns.give_up()
    with pytest.raises(LockLost):
        turns.require(1)
    assert turns.ask("b", "B", 9.0) == 2
    for token in (1, 3):
        with pytest.raises(LockLost):
            turns.release(token)
    turns.release(2)


def test_who_does_not_ask_again_loses_its_place() -> None:
    turns = Turns()
    turns.ask("a", "A", 0.0)
    assert turns.ask("b", "B", 0.0) is None
    assert turns.ask("c", "C", 1.0) is None
    turns.release(1)
    assert turns.ask("c", "C", 2.0) is None
    assert turns.ask("c", "C", STALE_SECONDS + 1.0) == 2
    assert turns.ask("b", "B", STALE_SECONDS + 1.0) is None


def test_withdrawn() -> None:
    turns = Turns()
    turns.ask("a", "A", 0.0)
    turns.ask("b", "B", 0.0)
    turns.withdraw("b")
    turns.withdraw("a")
    assert turns.ask("c", "C", 0.0) == 2


def test_on_another_machine_the_clock_is_another() -> None:
    turns = Turns()
    turns.ask("a", "A", 1000.0)
    turns.ask("b", "B", 1000.0)
    turns.moved(5.0)
    turns.release(1)
    assert turns.ask("c", "C", 5.0) is None
    assert turns.ask("b", "B", 5.0) == 2
