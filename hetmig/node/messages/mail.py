"""What a task has of messages in its process: part of its state, it moves and is checkpointed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hetmig.node.messages.outgoing import Outcome, Outgoing
from hetmig.node.protocol import Buffer, want

__all__ = ["Letter", "Mail"]


@dataclass(frozen=True)
class Letter:
    """A message that has come, still frozen."""

    header: dict[str, Any]
    frames: list[bytes]


class Mail:
    """Messages given to the task and not received by its program yet, and those it sends."""

    def __init__(self) -> None:
        self.received = 0
        """How many its program has received, ever."""
        self.names: dict[str, tuple[str, dict[str, Any]]] = {}
        """Named tasks it has sent to: id and home."""
        self._inbox: deque[Letter] = deque()
        self._outgoing: dict[str, Outgoing] = {}
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        """Heard, and not asked for yet."""
        self._lock = threading.RLock()

    # Receiving --------------------------------------------------------------------------------

    def question(self, seconds: float) -> dict[str, Any]:
        """What RECEIVE says."""
        with self._lock:
            given = self.received + len(self._inbox)
            return {"received": self.received, "given": given, "seconds": seconds}

    def arrived(self, header: Mapping[str, Any], frames: Sequence[Buffer]) -> None:
        """The node gives some messages; perhaps again."""
        with self._lock:
            number = want(dict(header), "given", int)
            rest = list(frames)
            for described in header["messages"]:
                mine, rest = rest[: described["frames"]], rest[described["frames"] :]
                number += 1
                if number == self.received + len(self._inbox) + 1:
                    self._inbox.append(Letter(described, [bytes(frame) for frame in mine]))

    def take(self) -> Letter | None:
        """The program receives a message, if one is here."""
        with self._lock:
            if not self._inbox:
                return None
            self.received += 1
            return self._inbox.popleft()

    # Sending ----------------------------------------------------------------------------------

    def begin(self, task: str, name: str, *, request: bool) -> tuple[int, dict[str, Any]]:
        """A new message to a task: its number, and what SEND says of it."""
        with self._lock:
            outgoing = self._to(task, name)
            number = outgoing.begin(request=request, watched=False)
            return number, outgoing.described(number)

    def accepted(self, task: str, number: int) -> None:
        """The task's mailbox has it."""
        with self._lock:
            self._to(task).accepted(number)

    def given_up(self, task: str, number: int) -> None:
        """It was not accepted, or nobody waits for a reply any more."""
        with self._lock:
            self._to(task).given_up(number)
            self._outcomes.pop((task, number), None)

    def outcome(self, task: str, number: int, *, request: bool) -> Outcome | None:
        """What became of a message, if that is known; a reply only once."""
        with self._lock:
            heard = self._outcomes.pop((task, number), None)
            if heard is None and not request:
                heard = self._to(task).settled(number)
            if heard is None:
                self._to(task).open.setdefault(number, request)
            return heard

    def news_of(self, task: str, seconds: float) -> dict[str, Any]:
        """What REPLIES says."""
        with self._lock:
            return self._to(task).question(seconds)

    def hear(self, task: str, told: dict[str, Any], frames: Sequence[Buffer]) -> bool:
        """What was told about messages to a task; whether that is news."""
        with self._lock:
            kept = [bytes(frame) for frame in frames]
            found = self._to(task).hear(told, kept)
            self._outcomes.update({(task, number): what for number, what in found.items()})
            return bool(found)

    def _to(self, task: str, name: str = "") -> Outgoing:
        return self._outgoing.setdefault(task, Outgoing(task, name))

    # Moving -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {
            "received": self.received,
            "names": dict(self.names),
            "inbox": [(letter.header, letter.frames) for letter in self._inbox],
            "outgoing": [asdict(outgoing) for outgoing in self._outgoing.values()],
            "outcomes": [
                (key, what.error, what.answer, list(what.frames))
                for key, what in self._outcomes.items()
            ],
        }

    def arrive(self, state: Mapping[str, Any]) -> None:
        """The task comes from another process."""
        self.received, self.names = state["received"], dict(state["names"])
        self._inbox = deque(Letter(header, list(frames)) for header, frames in state["inbox"])
        self._outgoing = {one["task"]: Outgoing(**one) for one in state["outgoing"]}
        self._outcomes = {
            (key[0], key[1]): Outcome(error, answer, frames)
            for key, error, answer, frames in state["outcomes"]
        }
