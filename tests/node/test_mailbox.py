"""The mailbox alone: order, once, answers, and the way to another node."""

from __future__ import annotations

import random

import pytest

from hetmig.errors import MailboxFull, ProtocolError
from hetmig.node.mailbox import Answer, Call, Mailbox


def call(sender: str, number: int, data: bytes = b"x") -> Call:
    return Call(sender, number, {"method": "m"}, [data])


def executed(box: Mailbox) -> list[tuple[str, int]]:
    """Execute all that waits; what it was."""
    done = []
    while (taken := box.take()) is not None:
        done.append((taken.sender, taken.number))
        box.answer(Answer({"ok": True, "error": None}, [str(taken.number).encode()]))
    return done


def test_each_once_in_its_senders_order() -> None:
    order = random.Random(17)  # any seed will do
    sent = [(sender, n) for sender in "abc" for n in range(1, 50)] * 2
    order.shuffle(sent)
    box, done = Mailbox(), []
    for sender, n in sent:
        box.accept(call(sender, n), 1, 0.0)
        done += executed(box)
    for sender in "abc":
        assert [n for name, n in done if name == sender] == list(range(1, 50))


def test_one_at_a_time() -> None:
    box = Mailbox()
    box.accept(call("a", 1), 1, 0.0)
    box.accept(call("a", 2), 1, 0.0)
    assert box.take() is not None
    assert box.take() is None
    box.put_back()
    assert executed(box) == [("a", 1), ("a", 2)]
    with pytest.raises(ProtocolError):
        box.answer(Answer({}, []))


def test_answers_are_kept_until_they_were_received() -> None:
    box = Mailbox()
    for n in (1, 2, 3):
        box.accept(call("a", n), 1, 0.0)
    executed(box)
    assert sorted(box.collect("a", 1, [], 0.0)) == [1, 2, 3]
    assert sorted(box.collect("a", 1, [2], 0.0)) == [1, 3]
    assert sorted(box.collect("a", 3, [], 0.0)) == [3]
    assert box.collect("nobody", 1, [], 0.0) == {}


def test_what_moves_is_all_of_it() -> None:
    box = Mailbox()
    for n in (1, 2, 3, 5):
        box.accept(call("a", n, b"%d" % n), 1, 0.0)
    box.take()
    box.answer(Answer({"ok": True}, [b"result"]))
    box.take()
    described, data = box.packed(0.0)
    there = Mailbox.unpacked(described, data, 100.0)
    assert there.packed(100.0)[0]["senders"] == described["senders"]
    assert bytes(there.collect("a", 1, [], 100.0)[1].frames[0]) == b"result"
    there.accept(call("a", 1), 1, 100.0)  # once more, from one who had not heard of it
    there.accept(call("a", 4, b"4"), 4, 100.0)
    first = there.take()
    assert first is not None
    assert (first.number, bytes(first.frames[0])) == (2, b"2")
    there.put_back()
    assert executed(there) == [("a", n) for n in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    "change", [{"calls": None}, {"senders": [[1]]}, {"calls": [["a", 1, {}, [7]]]}]
)
def test_what_is_not_readable_is_refused(change: dict[str, object]) -> None:
    box = Mailbox()
    box.accept(call("a", 1), 1, 0.0)
    described, data = box.packed(0.0)
    with pytest.raises(ProtocolError):
        Mailbox.unpacked({**described, **change}, data, 0.0)


def test_a_full_one_takes_the_call_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mailbox, "MOST_CALLS", 2)
    box = Mailbox()
    for n in (1, 2):
        box.accept(call("a", n), 1, 0.0)
    with pytest.raises(MailboxFull):
        box.accept(call("a", 3), 1, 0.0)
    box.take()
    box.accept(call("a", 3), 1, 0.0)
    monkeypatch.setattr(Mailbox, "MOST_EARLY", 1)
    box.accept(call("b", 2), 1, 0.0)
    with pytest.raises(MailboxFull):
        box.accept(call("b", 3), 1, 0.0)


def test_a_call_that_is_too_large_is_answered_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mailbox, "MOST_BYTES", 10)
    box = Mailbox()
    box.accept(call("a", 1, bytes(11)), 1, 0.0)
    box.accept(call("a", 2), 1, 0.0)
    answer = box.collect("a", 1, [], 0.0)[1]
    assert answer.header["error"]["type"] == "ParcelTooLarge"
    assert executed(box) == [("a", 2)]


def test_who_is_silent_for_long_is_forgotten_and_may_come_back() -> None:
    box = Mailbox()
    for n in (1, 2):
        box.accept(call("a", n), 1, 0.0)
    executed(box)
    box.accept(call("b", 1), 1, Mailbox.PATIENCE + 1)
    assert box.collect("a", 1, [], Mailbox.PATIENCE + 1) == {}
    box.accept(call("a", 3), 3, Mailbox.PATIENCE + 2)
    assert executed(box) == [("b", 1), ("a", 3)]
