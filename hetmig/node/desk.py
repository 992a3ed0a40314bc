"""What a task asks its node for: objects, and calls of actors.

A task that waits for an answer can be moved.  Where it goes on it asks once more, whatever was not
answered: every such question may be asked twice.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hetmig.errors import HetmigError, MailboxFull
from hetmig.node import protocol
from hetmig.node.messages.mail import Mail
from hetmig.node.protocol import Buffer, Message
from hetmig.state.parcel import Parcel

__all__ = ["Desk"]

_MOST_OPEN = 10_000

Send = Callable[[str, dict[str, Any], Sequence[Buffer]], None]


@dataclass
class _Called:
    """The calls of one actor."""

    sender: str
    last: int = 0
    open: list[int] = field(default_factory=list)
    """Numbers of the calls that were not answered."""
    unaccepted: dict[int, int] = field(default_factory=dict)
    """By the number of the question that brings it, that of the call."""
    answers: dict[tuple[str, int], tuple[dict[str, Any], list[bytes]]] = field(default_factory=dict)
    """By sender and number, until somebody takes it."""


class Desk:
    """The questions of the task in this process."""

    def __init__(self, send: Send, listen: Callable[[], None]) -> None:
        self.listen = listen
        self._send = send
        # A signal handler may hear answers while its thread is at work here.
        self._lock = threading.RLock()
        self._last = 0
        self._open: dict[int, tuple[dict[str, Any], list[Buffer]]] = {}
        self._answers: dict[int, tuple[dict[str, Any], list[bytes]]] = {}
        self._called: dict[str, _Called] = {}
        self.mail = Mail()

    def ask(self, kind: str, header: dict[str, Any], parcel: Parcel | None = None) -> int:
        """Ask; the number of the question.  Raises ProtocolError for what is too large."""
        with self._lock:
            self._last = number = self._last + 1
        self._post(number, kind, header, parcel)
        return number

    def _post(self, number: int, kind: str, header: dict[str, Any], parcel: Parcel | None) -> None:
        manifest = None if parcel is None else parcel.manifest
        question = {"number": number, "kind": kind, "header": header, "manifest": manifest}
        frames: list[Buffer] = [] if parcel is None else [bytes(frame) for frame in parcel.frames]
        self._open[number] = question, frames  # first: the answer may be heard at once
        try:
            self._send(protocol.ASK, question, frames)
        except BaseException:
            del self._open[number]
            raise

    def heard(self, message: Message) -> None:
        """The node answers."""
        number = protocol.want(message.header, "re", int)
        with self._lock:
            question, _ = self._open.pop(number, ({}, []))
            if question.get("kind") == protocol.CALL:
                self._accepted(question["header"]["task"], number, message.header.get("error"))
            elif question:
                self._answers[number] = message.header, [bytes(frame) for frame in message.payload]

    def is_answered(self, number: int) -> bool:
        """Whether the answer is there."""
        return number in self._answers

    def take(self, number: int) -> tuple[dict[str, Any], Parcel | None]:
        """The answer, once.  Raises the error that it is, or HetmigError if it never comes."""
        if number not in self._answers:
            raise HetmigError("this question was asked in another process, or answered before")
        answer, frames = self._answers.pop(number)
        if answer.get("error") is not None:
            raise protocol.rebuild_error(answer["error"])
        manifest = answer["manifest"]
        views = [memoryview(frame) for frame in frames]
        return answer["header"], None if manifest is None else Parcel(manifest, views, True)

    def drop(self, number: int) -> None:
        """Nobody waits for the answer any more."""
        self._open.pop(number, None)
        self._answers.pop(number, None)

    # Actors -----------------------------------------------------------------------------------

    def call(self, task: str, home: dict[str, Any], method: str, parcel: Parcel) -> tuple[str, int]:
        """Call an actor's method; sender and number of the call.  Raises MailboxFull."""
        with self._lock:
            called = self._called.setdefault(task, _Called(secrets.token_hex(8)))
            if len(called.open) >= _MOST_OPEN:
                raise MailboxFull(f"{_MOST_OPEN} calls of this actor wait for their answers")
            self._last = question = self._last + 1
            sender, number = called.sender, called.last + 1
            called.unaccepted[question] = number
            base = min(called.unaccepted.values())
            about = {"task": task, "home": home, "method": method, "base": base}
            try:
                self._post(
                    question, protocol.CALL, {**about, "sender": sender, "n": number}, parcel
                )
            except BaseException:
                del called.unaccepted[question]
                raise
            called.last = number
            called.open.append(number)
        return sender, number

    def poll(self, task: str, home: dict[str, Any], seconds: float) -> int:
        """Ask for the answers of an actor."""
        called = self._called[task]
        with self._lock:
            return self._poll(called, {"task": task, "home": home, "seconds": seconds})

    def _poll(self, called: _Called, about: dict[str, Any]) -> int:
        got = [number for sender, number in called.answers if sender == called.sender]
        low = min(called.open, default=called.last + 1)
        more = {"sender": called.sender, "low": low, "got": got}
        return self.ask(protocol.ANSWERS, {**about, **more})

    def told(self, task: str, number: int) -> None:
        """Take in what the answer to a poll holds; an error ends all open calls."""
        called = self._called[task]
        with self._lock:
            try:
                header, parcel = self.take(number)
            except HetmigError as error:
                self._fail(called, protocol.describe_error(error))
                return
            frames = [] if parcel is None else list(parcel.frames)
            for answer in header["answers"]:
                mine, frames = frames[: answer["frames"]], frames[answer["frames"] :]
                if answer["n"] in called.open:
                    called.open.remove(answer["n"])
                    kept = [bytes(frame) for frame in mine]
                    called.answers[called.sender, answer["n"]] = answer, kept

    def has_answer(self, task: str, call: tuple[str, int]) -> bool:
        """Whether the answer to a call is here.  Raises HetmigError if it will never be."""
        called = self._called.get(task)
        with self._lock:
            if called is None or not (
                call in called.answers or (call[0] == called.sender and call[1] in called.open)
            ):
                raise HetmigError("this reply is another task's, or its answer was taken before")
            return call in called.answers

    def answer(self, task: str, call: tuple[str, int]) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to a call, once."""
        return self._called[task].answers.pop(call)

    def _accepted(self, task: str, question: int, error: dict[str, Any] | None) -> None:
        called = self._called[task]
        known = called.unaccepted.pop(question, None)
        if error is not None and known in called.open:
            self._fail(called, error)

    def _fail(self, called: _Called, error: dict[str, Any]) -> None:
        """Nothing will come of the open calls any more; later ones begin anew."""
        for number in called.open:
            called.answers[called.sender, number] = {"error": error}, []
        called.open, called.unaccepted = [], {}
        called.sender, called.last = secrets.token_hex(8), 0

    # Moving -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All of it, to travel with the task; it is unharmed."""
        return {
            "last": self._last,
            "open": dict(self._open),
            "answers": dict(self._answers),
            "called": {task: asdict(called) for task, called in self._called.items()},
            "mail": self.mail.state(),
        }

    def arrive(self, state: Mapping[str, Any]) -> None:
        """The task comes from another process, with what it had asked there."""
        self._last = state["last"]
        self._open, self._answers = dict(state["open"]), dict(state["answers"])
        self._called = {task: _Called(**called) for task, called in state["called"].items()}
        if "mail" in state:  # else it was frozen before there were messages
            self.mail.arrive(state["mail"])

    def ask_again(self) -> None:
        """The task goes on here: this node knows nothing of what it has asked elsewhere."""
        for question, frames in list(self._open.values()):
            self._send(protocol.ASK, question, frames)
