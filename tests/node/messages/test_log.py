"""Accepted messages in a journal: what a restarted mailbox has of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hetmig.node.journal import Journal
from hetmig.node.mailbox import Call
from hetmig.node.messages.box import MessageBox
from hetmig.node.messages.log import MessageLog

TASK = "t"


def message(number: int, data: bytes = b"x", sender: str = "x") -> Call:
    return Call(sender, number, {"reply": False}, [data])


def accepted(box: MessageBox, log: MessageLog, call: Call) -> None:
    assert box.accept(call, 1, 0.0)
    log.add(call, 1, None)


def restarted(directory: Path) -> tuple[Journal, MessageBox, MessageLog]:
    journal, box = Journal(directory), MessageBox()
    log = MessageLog(journal, TASK)
    log.replay(box, 0.0)
    return journal, box, log


def waiting(box: MessageBox) -> list[tuple[str, int, bytes]]:
    return [
        (call.sender, call.number, b"".join(bytes(frame) for frame in call.frames))
        for call in box.waiting
    ]


def crash(journal: Journal) -> None:
    """The process is gone: nothing more is written."""
    journal._database.close()


def test_what_was_written_is_there_again_in_order(tmp_path: Path) -> None:
    journal, box, log = restarted(tmp_path)
    large = bytes(1 << 20)
    for call in (message(1), message(1, large, "y"), message(3), message(2)):
        accepted(box, log, call)
    before = waiting(box)
    assert [(sender, number) for sender, number, _ in before] == [
        ("x", 1), ("y", 1), ("x", 2), ("x", 3)]  # fmt: skip
    log.received(box.taken(1))  # which the program does not know any more after a crash
    journal.sync()
    accepted(box, log, message(4))  # and nobody was told that it was
    crash(journal)
    for _ in range(2):
        journal, box, log = restarted(tmp_path)
        assert waiting(box) == before
        assert not box.accept(message(3), 1, 0.0)
        crash(journal)


def test_it_goes_with_the_image(tmp_path: Path) -> None:
    journal, box, log = restarted(tmp_path)
    accepted(box, log, message(1, bytes(1 << 20)))
    journal.sync()
    assert len(list((tmp_path / "files").iterdir())) == 1
    journal.keep_image(TASK, 2, [b"wire"], None)
    accepted(box, log, message(1, sender="y"))
    journal.sync()
    assert list((tmp_path / "files").iterdir()) == []
    crash(journal)
    journal, box, log = restarted(tmp_path)
    assert waiting(box) == [("y", 1, b"x")]
    journal.drop_images(TASK, 2)
    assert [call.sender for call, _ in journal.messages(TASK)] == ["y"]
    journal.drop_images(TASK, None)
    journal.sync()
    crash(journal)
    assert waiting(restarted(tmp_path)[1]) == []


def test_it_holds_no_more_than_a_mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was received goes first, and does not come twice from its sender."""
    monkeypatch.setattr(MessageBox, "MOST_CALLS", 3)
    journal, box, log = restarted(tmp_path)
    for number in range(1, 6):
        accepted(box, log, message(number))
        log.received(box.taken(number))
    accepted(box, log, message(6))
    accepted(box, log, message(7))
    log.received(box.taken(6))
    journal.close()
    journal, box, log = restarted(tmp_path)
    assert [number for _, number, _ in waiting(box)] == [5, 6, 7]
    assert box.news("x", 1, 1, [], 0.0).taken == 4
    assert not box.accept(message(4), 1, 0.0)
    log.received(box.taken(3))
    accepted(box, log, message(8))
    log.received(box.taken(4))
    journal.close()
    assert [number for _, number, _ in waiting(restarted(tmp_path)[1])] == [6, 7, 8]
