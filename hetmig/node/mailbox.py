"""The mailbox of an actor, without sockets or clock: each call once, in its sender's order.

A sender numbers its calls 1, 2, 3 ... and repeats each until it is told that it was accepted.  So
calls may come late, twice or out of order.  Answers are kept until their sender has them.  All of
it moves with the actor: who asks at the next node is told what the last one would have told.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hetmig.errors import MailboxFull, ParcelTooLarge, ProtocolError
from hetmig.node.protocol import Buffer, describe_error, want

__all__ = ["Answer", "Call", "Mailbox"]

Box = TypeVar("Box", bound="Mailbox")
_MOST_GAPS = 100


@dataclass
class Call:
    """One call: `header` says what is called, `frames` hold the arguments, frozen."""

    sender: str
    number: int
    header: dict[str, Any]
    frames: list[Buffer]

    @property
    def nbytes(self) -> int:
        """Bytes of its arguments."""
        return _nbytes(self.frames)


@dataclass
class Answer:
    """What came of a call: `frames` hold the result or the exception, frozen."""

    header: dict[str, Any]
    frames: list[Buffer]


@dataclass
class _Sender:
    next: int
    """Everything below this number was accepted."""
    heard: float
    early: dict[int, Call] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    taken: int = 0
    """Its messages up to this number were received, of a task."""
    lost: list[list[int]] = field(default_factory=list)
    """Ranges [first, end) that were accepted by a copy of the task which is gone, or given up."""


class Mailbox:
    """The calls of one actor that wait, the one that is executed, and the answers."""

    MOST_CALLS = 10_000
    """Calls that wait; a sender who meets a full mailbox tries again later."""
    MOST_BYTES = 256 << 20
    """Of their arguments together, and of answers nobody has collected."""
    MOST_EARLY = 1000
    MOST_SENDERS = 10_000
    PATIENCE = 600.0
    """Seconds for which the answers of a sender are kept who does not ask for them."""

    def __init__(self) -> None:
        self.waiting: deque[Call] = deque()
        self.current: Call | None = None
        self._bytes = 0
        self._early_bytes = 0
        self._senders: OrderedDict[str, _Sender] = OrderedDict()

    @property
    def is_used(self) -> bool:
        """Whether anybody has ever called."""
        return bool(self._senders)

    def accept(self, call: Call, base: int, now: float) -> bool:
        """Take a call in, unless it is here already; whether it was not.

        `base`: everything below this number has been accepted, as the sender knows.
        Raises MailboxFull: then the sender comes again.
        """
        sender = self._sender(call.sender, base, now)
        self._skip_to(sender, base)
        if call.number < sender.next or call.number in sender.early:
            return False
        if call.number > sender.next:
            held = self._bytes + self._early_bytes
            if len(sender.early) >= self.MOST_EARLY or held >= self.MOST_BYTES:
                raise MailboxFull("too many calls of this sender came before their turn")
        else:
            self._require_room()
        self._take_in(sender, call)
        return True

    def _require_room(self) -> None:
        if len(self.waiting) >= self.MOST_CALLS or self._bytes >= self.MOST_BYTES:
            raise MailboxFull(f"{len(self.waiting)} wait already, with {self._bytes} bytes")

    def _take_in(self, sender: _Sender, call: Call) -> None:
        sender.early[call.number] = call
        self._early_bytes += call.nbytes
        while sender.next in sender.early:
            self._enqueue(sender)

    def _skip_to(self, sender: _Sender, base: int) -> None:
        """What is missing below `base` will not come: the sender believes it is here, or gave up.

        It was accepted by a copy of the task that is gone, and with which it has gone.
        """
        while sender.next < base:
            missing = sender.next
            sender.next = min((n for n in sender.early if n < base), default=base)
            if missing < sender.next:
                sender.lost = [*sender.lost[-_MOST_GAPS:], [missing, sender.next]]
            while sender.next in sender.early:
                self._enqueue(sender)

    def _enqueue(self, sender: _Sender) -> None:
        call = sender.early.pop(sender.next)
        self._early_bytes -= call.nbytes
        sender.next += 1
        if call.nbytes > self.MOST_BYTES:
            text = f"a call with {call.nbytes} bytes; an actor takes {self.MOST_BYTES} at most"
            error = describe_error(ParcelTooLarge(text))
            sender.answers[call.number] = Answer({"ok": False, "error": error}, [])
            return
        self._bytes += call.nbytes
        self.waiting.append(call)

    def take(self) -> Call | None:
        """The next call to be executed, if none is at present."""
        if self.current is not None or not self.waiting:
            return None
        self.current = self.waiting.popleft()
        self._bytes -= self.current.nbytes
        return self.current

    def put_back(self) -> None:
        """The current call was not begun after all."""
        if self.current is not None:
            self._bytes += self.current.nbytes
            self.waiting.appendleft(self.current)
            self.current = None

    def drop_calls(self) -> None:
        """The actor has ended: what waits will not be executed."""
        self.current = None
        self.waiting.clear()
        self._bytes = 0

    def answer(self, answer: Answer) -> None:
        """The current call has been executed."""
        if self.current is None:
            raise ProtocolError("an answer to a call that was not made")
        call, self.current = self.current, None
        sender = self._senders.get(call.sender)
        if sender is not None:  # else it has not been heard of for long
            sender.answers[call.number] = answer

    def collect(self, name: str, low: int, got: Sequence[int], now: float) -> dict[int, Answer]:
        """The answers there are for a sender, who has all below `low`, and those in `got`."""
        sender = self._senders.get(name)
        if sender is None:
            return {}
        sender.heard = now
        dropped = set(got)
        for number in [n for n in sender.answers if n < low or n in dropped]:
            del sender.answers[number]
        return dict(sorted(sender.answers.items()))

    def _sender(self, name: str, base: int, now: float) -> _Sender:
        if name not in self._senders:
            self._forget(now)
            self._senders[name] = _Sender(base, now)
        sender = self._senders[name]
        sender.heard = now
        self._senders.move_to_end(name)
        return sender

    def _forget(self, now: float) -> None:
        """Drop answers that nobody came for, and senders of whom there is nothing any more."""
        busy = {call.sender for call in self.waiting}
        if self.current is not None:
            busy.add(self.current.sender)
        excess = len(self._senders) - self.MOST_SENDERS
        held = sum(_nbytes(a.frames) for s in self._senders.values() for a in s.answers.values())
        for name, sender in list(self._senders.items()):
            silent = now - sender.heard > self.PATIENCE
            if name in busy or not (silent or excess >= 0 or held > self.MOST_BYTES):
                continue
            if silent or held > self.MOST_BYTES or not (sender.early or sender.answers):
                held -= sum(_nbytes(answer.frames) for answer in sender.answers.values())
                self._early_bytes -= sum(call.nbytes for call in sender.early.values())
                del self._senders[name]
                excess -= 1

    # Moving -----------------------------------------------------------------------------------

    def packed(self, now: float) -> tuple[dict[str, Any], bytes]:
        """All of it as JSON and one piece of bytes.  The current call counts as not begun."""
        pieces: list[Buffer] = []

        def keep(frames: Sequence[Buffer]) -> list[int]:
            pieces.extend(frames)
            return [_nbytes([frame]) for frame in frames]

        current = [] if self.current is None else [self.current]
        calls = [[c.sender, c.number, c.header, keep(c.frames)] for c in (*current, *self.waiting)]
        senders = []
        for name, sender in self._senders.items():
            early = [[n, c.header, keep(c.frames)] for n, c in sender.early.items()]
            answers = [[n, a.header, keep(a.frames)] for n, a in sender.answers.items()]
            age, more = now - sender.heard, [sender.taken, sender.lost]
            senders.append([name, sender.next, age, early, answers, *more])
        return {"calls": calls, "senders": senders}, b"".join(pieces)

    @classmethod
    def unpacked(cls: type[Box], described: dict[str, Any], data: Buffer, now: float) -> Box:
        """The mailbox that `packed` described.  Raises ProtocolError."""
        box, view, position = cls(), memoryview(data).cast("B"), 0

        def cut(lengths: list[int]) -> list[Buffer]:
            nonlocal position
            frames: list[Buffer] = []
            for length in lengths:
                if length < 0:
                    raise ValueError("a length below zero")
                frames.append(view[position : position + length])
                position += length
            return frames

        try:
            for sender, number, header, lengths in want(described, "calls", list):
                box.waiting.append(Call(str(sender), int(number), dict(header), cut(lengths)))
            for name, following, age, early, answers, *more in want(described, "senders", list):
                known = box._senders[str(name)] = _Sender(int(following), now - float(age))
                for n, header, lengths in early:
                    known.early[int(n)] = Call(str(name), int(n), dict(header), cut(lengths))
                for n, header, lengths in answers:
                    known.answers[int(n)] = Answer(dict(header), cut(lengths))
                if more:
                    known.taken = int(more[0])
                    known.lost = [[int(first), int(end)] for first, end in more[1]]
        except (TypeError, ValueError, OverflowError) as error:
            raise ProtocolError(f"the actor's mailbox is not readable: {error}") from None
        if position != view.nbytes:
            raise ProtocolError("the actor's mailbox does not have the bytes it states")
        box._bytes = sum(call.nbytes for call in box.waiting)
        early_calls = (c for known in box._senders.values() for c in known.early.values())
        box._early_bytes = sum(call.nbytes for call in early_calls)
        return box


def _nbytes(frames: Sequence[Buffer]) -> int:
    return sum(memoryview(frame).nbytes for frame in frames)
