"""The mailbox of a task, without sockets or clock: messages wait until the program receives them.

The calls of an actor are executed one at a time; messages are given to the task's process some at a
time, ahead of need, and each stays here until the task's program has received it.  The number of
messages received counts over the task's whole life and is part of its state.  So whatever copy of
the task asks next, one that has moved or one from a checkpoint, gets what follows for *it*.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hetmig.errors import NoReply, NotReceived, ParcelTooLarge
from hetmig.node.mailbox import Answer, Call, Mailbox
from hetmig.node.protocol import Buffer, want

__all__ = ["MessageBox", "News", "Remains", "fate"]

Box = TypeVar("Box", bound="MessageBox")

Remains = dict[str, list[int]]
"""Of a task that has ended: by sender, which numbers [first, end) it had accepted, not received."""


@dataclass(frozen=True)
class News:
    """What a sender hears of its messages."""

    answers: dict[int, Answer]
    """Replies, by the number of the request."""
    taken: int
    """All its messages up to this number were received."""
    lost: list[list[int]]
    """Ranges [first, end) of those that will not be."""
    is_known: bool = True
    """Whether anything is known of this sender."""


class MessageBox(Mailbox):
    """A mailbox of which a task itself takes what it wants, and replies to what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.received = 0
        """Messages that the task's program has received, ever: those that wait come after them."""

    def accept(self, call: Call, base: int, now: float) -> bool:
        """As of a mailbox.  Raises MailboxFull, or ParcelTooLarge for what it never takes."""
        self._require_size(call)
        return super().accept(call, base, now)

    def require_room(self, call: Call) -> None:
        """Raise what `accept` would raise now, if it is this one's turn."""
        self._require_size(call)
        self._require_room()

    def _require_size(self, call: Call) -> None:
        if call.nbytes > self.MOST_BYTES:
            raise ParcelTooLarge(
                f"a message of {call.nbytes} bytes; a task's mailbox takes {self.MOST_BYTES}"
            )

    def accept_again(self, call: Call, base: int, now: float) -> None:
        """After a crash, what had been accepted before it; in the same order."""
        sender = self._sender(call.sender, base, now)
        self._skip_to(sender, base)
        if call.number >= sender.next and call.number not in sender.early:
            self._take_in(sender, call)

    def pass_over(self, name: str, number: int, now: float) -> None:
        """All of a sender up to this number had been received before the crash."""
        sender = self._sender(name, 1, now)
        sender.next, sender.taken = max(sender.next, number + 1), max(sender.taken, number)
        for early in [n for n in sender.early if n < sender.next]:
            self._early_bytes -= sender.early.pop(early).nbytes
        while sender.next in sender.early:
            self._enqueue(sender)

    def after(self, given: int, most: int, nbytes: int) -> list[Call]:
        """The messages after those that were given already: some, but one at least if there is."""
        chosen: list[Call] = []
        size = 0
        for call in itertools.islice(self.waiting, max(given - self.received, 0), None):
            size += call.nbytes
            if chosen and (len(chosen) >= most or size > nbytes):
                break
            chosen.append(call)
        return chosen

    def taken(self, received: int) -> list[Call]:
        """The program has received so many, ever; those which that is news of."""
        calls: list[Call] = []
        while self.received < received and self.waiting:
            call = self.waiting.popleft()
            calls.append(call)
            self._bytes -= call.nbytes
            self.received += 1
            if (sender := self._senders.get(call.sender)) is not None:
                sender.taken = call.number
        return calls

    def reply(self, sender: str, number: int, answer: Answer) -> None:
        """The program replies to a request."""
        known = self._senders.get(sender)
        if known is not None:  # else it has not been heard of for long
            known.answers[number] = answer

    def news(self, name: str, base: int, low: int, got: list[int], now: float) -> News:
        """What there is for a sender, which has everything below `low`, and the replies in `got`.

        `base`: everything below this number has been accepted, as the sender knows.
        """
        sender = self._senders.get(name)
        if sender is None:
            return News({}, 0, [], is_known=False)
        self._skip_to(sender, base)
        answers = self.collect(name, low, got, now)
        sender.lost = [gap for gap in sender.lost if gap[1] > low]
        return News(answers, sender.taken, list(sender.lost))

    def remains(self) -> Remains:
        """What is here and will not be received, as the task has ended."""
        found: Remains = {}
        for call in self.waiting:
            found.setdefault(call.sender, [call.number, call.number])[1] = call.number + 1
        return found

    # Moving -----------------------------------------------------------------------------------

    def packed(self, now: float) -> tuple[dict[str, Any], bytes]:
        """All of it as JSON and one piece of bytes."""
        described, data = super().packed(now)
        return {**described, "received": self.received}, data

    @classmethod
    def unpacked(cls: type[Box], described: dict[str, Any], data: Buffer, now: float) -> Box:
        """The mailbox that `packed` described.  Raises ProtocolError."""
        box = super().unpacked(described, data, now)
        box.received = want(described, "received", int, 0)
        return box


def fate(
    number: int, remains: Mapping[str, list[int]] | None, sender: str, task: str, name: str
) -> NotReceived | NoReply | None:
    """What an accepted message has come to once the task has ended; None: it was received.

    `remains` is None if nobody can say any more.  A request that was received has no reply, or it
    would have been told.
    """
    about = {"task": task, "name": name}
    if remains is None:
        return NoReply(
            f"{name} ({task}) is lost: it may have received the message, or not", **about
        )
    first, end = remains.get(sender, [0, 0])
    if first <= number < end:
        return NotReceived(f"{name} ({task}) has ended before it received the message", **about)
    return None
