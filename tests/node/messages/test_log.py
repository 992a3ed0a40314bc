"""Accepted messages in a journal: what a restarted mailbox has of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hetmig.errors import InMotion, MailboxFull
from hetmig.node.calls import Calls
from hetmig.node.journal import Journal
from hetmig.node.mailbox import Call
from hetmig.node.messages import posting
from hetmig.node.messages.box import MessageBox
from hetmig.node.messages.log import MessageLog
from hetmig.node.protocol import Buffer
from hetmig.node.syncing import Syncing

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


def test_what_is_not_accepted_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MessageBox, "MOST_CALLS", 2)
    journal, large = Journal(tmp_path), bytes(1 << 20)
    calls = Calls(MessageLog(journal, TASK))
    hosted: Any = SimpleNamespace(calls=calls, takes_calls=True)
    written: list[str | None] = []
    write = journal.write_file

    def write_file(wire: Sequence[Buffer]) -> str | None:
        written.append(write(wire))
        return written[-1]

    monkeypatch.setattr(journal, "write_file", write_file)

    async def main() -> None:
        node: Any = SimpleNamespace(journal=journal, syncing=Syncing(journal))

        async def sent(number: int) -> None:
            await posting._accept(node, hosted, message(number, large), 1)

        await sent(1)
        await sent(1)
        await sent(2)
        with pytest.raises(MailboxFull):
            await sent(3)
        hosted.takes_calls = False
        calls.mailbox.taken(1)
        with pytest.raises(InMotion):
            await sent(3)

    asyncio.run(main())
    assert len(written) == 4  # there was no room for the other
    journal.sync()
    assert len(list((tmp_path / "files").iterdir())) == 2
    crash(journal)
    assert [len(data) for _, _, data in waiting(restarted(tmp_path)[1])] == [1 << 20] * 2


def test_a_sender_whose_messages_came_before_their_turn_and_are_not_kept() -> None:
    """The image holds one before its turn; what came then was received, and dropped."""
    box = MessageBox()
    for number in (2, 4):
        box.accept(message(number), 1, 0.0)
    box.pass_over("x", 3, 0.0)
    assert [call.number for call in box.waiting] == [4]
    box.pass_over("x", 6, 0.0)
    assert box.accept(message(7), 1, 0.0)
    assert [call.number for call in box.waiting] == [4, 7]
