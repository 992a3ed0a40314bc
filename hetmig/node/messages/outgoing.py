"""A sender's side, without sockets or clock: its messages to one task, and what becomes of them.

A client has one for each task it sends to, and a task too; there it is part of the task's state.
A message is numbered and repeated until it was accepted, so that it is taken in once, in order.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hetmig.errors import HetmigError, NoReply, NotReceived, TaskLost
from hetmig.node.messages.box import fate
from hetmig.node.protocol import Buffer, want

__all__ = ["Outcome", "Outgoing"]


@dataclass(frozen=True)
class Outcome:
    """What became of a message: it was received, replied to, or neither."""

    error: HetmigError | None = None
    answer: dict[str, Any] | None = None
    """Of a request, the reply: its header, and in `frames` the value, frozen."""
    frames: Sequence[Buffer] = ()


@dataclass
class Outgoing:
    """The messages of one sender to one task."""

    task: str
    name: str = ""
    sender: str = field(default_factory=lambda: secrets.token_hex(8))
    last: int = 0
    unaccepted: list[int] = field(default_factory=list)
    open: dict[int, bool] = field(default_factory=dict)
    """Those of which somebody wants to know more, and whether they are requests."""
    got: list[int] = field(default_factory=list)
    """Replies that came, and of which the task's node does not know yet that they did."""
    taken: int = 0
    lost: list[list[int]] = field(default_factory=list)
    has_ended: bool = False
    remains: list[int] | None = None
    """Of a task that has ended, which messages it had not received; None: nobody knows."""

    def begin(self, *, request: bool, watched: bool) -> int:
        """The number of a new message; of a request, or if it is `watched`, there will be news."""
        self.last += 1
        self.unaccepted.append(self.last)
        if request or watched:
            self.open[self.last] = request
        return self.last

    def described(self, number: int) -> dict[str, Any]:
        """What SEND says of a message."""
        base = min(self.unaccepted, default=self.last + 1)
        request = self.open.get(number, False)
        about = {"sender": self.sender, "n": number, "base": base, "reply": request}
        return {**about, "task": self.task}

    def accepted(self, number: int) -> None:
        """The task's mailbox has it."""
        if number in self.unaccepted:
            self.unaccepted.remove(number)

    def given_up(self, number: int) -> None:
        """It will not be sent any more."""
        self.accepted(number)
        self.open.pop(number, None)

    def question(self, seconds: float) -> dict[str, Any]:
        """What REPLIES says: to what we have, an answer would be no news."""
        return {
            "task": self.task,
            "sender": self.sender,
            "base": min(self.unaccepted, default=self.last + 1),
            "low": min(self.open, default=self.last + 1),
            "got": list(self.got),
            "taken": self.taken,
            "lost": self.lost,
            "seconds": seconds,
        }

    def settled(self, number: int) -> Outcome | None:
        """What is known to have become of a message which is no open request, without asking."""
        if any(first <= number < end for first, end in self.lost):
            about = {"task": self.task, "name": self.name}
            text = f"{self._who} restarted from before it received the message"
            return Outcome(NotReceived(text, **about))
        return Outcome() if number <= self.taken else None

    def hear(self, told: dict[str, Any], frames: Sequence[Buffer]) -> dict[int, Outcome]:
        """News came; what has become of messages that were open."""
        self.got, found = [], {}
        rest = list(frames)
        for answer in want(told, "answers", list):
            number, count = want(answer, "n", int), want(answer, "frames", int)
            mine, rest = rest[:count], rest[count:]
            self.got.append(number)
            if number in self.open:
                found[number] = Outcome(answer=answer, frames=mine)
        self.taken = max(self.taken, want(told, "taken", int, 0))
        self.lost = [*self.lost, *(gap for gap in told["lost"] if gap not in self.lost)][-100:]
        if not want(told, "known", bool, True):
            unknown = TaskLost(f"nobody knows any more what became of the message to {self._who}")
            found.update({n: Outcome(unknown) for n in self.open if n not in self.unaccepted})
        if want(told, "ended", bool, False):
            self.has_ended, self.remains = True, want(told, "remains", list, None)
        for number, request in self.open.items():
            if number in found or number in self.unaccepted:
                continue
            outcome = self.settled(number)
            if self.has_ended and (outcome is None or request):
                outcome = self._ended(number, request)
            if outcome is not None and (outcome.error is not None or not request):
                found[number] = outcome
        for number in found:
            del self.open[number]
        return found

    def _ended(self, number: int, request: bool) -> Outcome:
        remains = None if self.remains is None else {self.sender: self.remains}
        error = fate(number, remains, self.sender, self.task, self.name or "the task")
        if error is None and request:
            text = f"{self._who} has ended without a reply to the request"
            error = NoReply(text, task=self.task, name=self.name)
        return Outcome(error)

    @property
    def _who(self) -> str:
        return f"{self.name} ({self.task})" if self.name else f"the task {self.task}"
