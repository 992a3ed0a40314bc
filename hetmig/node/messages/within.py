"""Messages as a task sends and receives them, through the node it is on.

The functions that wait hold nothing of the process, so a task is moved while it waits in them:
what `_desk` and `_mail` give is used at once, with arguments that are there already.
Each comes twice, for plain programs and for coroutines; they differ in how they wait.
"""

from __future__ import annotations

import time
from typing import Any, TypeAlias

from hetmig.division import loop
from hetmig.errors import MailboxFull, TaskLost
from hetmig.node import inside, protocol, runtime
from hetmig.node.desk import Desk
from hetmig.node.messages.mail import Letter, Mail
from hetmig.node.messages.outgoing import Outcome
from hetmig.state.image import Image
from hetmig.state.parcel import Parcel

__all__ = [
    "find",
    "find_soon",
    "forget",
    "known",
    "outcome",
    "outcome_soon",
    "receive",
    "receive_soon",
    "reply",
    "send",
    "send_soon",
]

Target: TypeAlias = tuple[str, str, dict[str, Any]]
"""The task that is meant: id, name, home."""

_POLL_SECONDS = 5.0
_GRACE_SECONDS = 2.0
"""The node answers in time; its answer needs some, too."""
_FIND_SECONDS = 20.0
_PAUSE = 0.02
_SHORTEST_PAUSE = 0.001


class _Clock:
    """How long a wait may still take.  Time in which the task moves counts for little."""

    def __init__(self, timeout: float | None) -> None:
        self.remaining = float("inf") if timeout is None else max(timeout, 0.0)
        self.asked = False

    def slice(self) -> float:
        """So long the node may wait before it answers."""
        self._before = time.monotonic()
        self.asked = True
        return min(_POLL_SECONDS, self.remaining)

    def passed(self) -> None:
        """The node has answered."""
        spent = time.monotonic() - self._before
        self.remaining -= min(max(spent, 0.0), _POLL_SECONDS)

    @property
    def is_over(self) -> bool:
        """Whether the time is up; the node is asked once in any case."""
        return self.asked and self.remaining <= 0


# Receiving ------------------------------------------------------------------------------------


def receive(timeout: float | None) -> Letter:
    """The next message.  Raises TimeoutError; in a part of a loop, DivisionRefused."""
    _require_whole()
    clock = _Clock(timeout)
    while (letter := _take()) is None:
        if clock.is_over:
            raise TimeoutError(f"no message came within {timeout:g} s")
        question = _ask_for_messages(clock)
        if inside.wait(question, clock.remaining + _GRACE_SECONDS):
            _take_in(question)
        else:
            _desk().drop(question)
        clock.passed()
    return letter


def _require_whole() -> None:
    """Messages come one after the other, to the loop itself."""
    if runtime.current().about.get("part"):
        raise loop.spoil("messages are received in turn, by the loop itself")


async def receive_soon(timeout: float | None) -> Letter:
    """The same in a coroutine."""
    _require_whole()
    clock = _Clock(timeout)
    while (letter := _take()) is None:
        if clock.is_over:
            raise TimeoutError(f"no message came within {timeout:g} s")
        question = _ask_for_messages(clock)
        try:
            if await _soon(question, clock.remaining + _GRACE_SECONDS):
                _take_in(question)
        finally:
            _desk().drop(question)
        clock.passed()
    return letter


def _take() -> Letter | None:
    letter = _mail().take()
    if letter is not None:
        header = {"received": _mail().received}
        runtime.current().post(protocol.TAKEN, header)
    return letter


def _ask_for_messages(clock: _Clock) -> int:
    seconds = clock.slice()
    header = _mail().question(seconds)
    return _desk().ask(protocol.RECEIVE, header)


def _take_in(question: int) -> None:
    header, parcel = _desk().take(question)
    frames = [] if parcel is None else parcel.frames
    _mail().arrived(header, frames)


def reply(header: dict[str, Any], frozen: Image) -> None:
    """Answer a request that was received."""
    about = {"sender": header["sender"], "n": header["n"], "manifest": frozen.manifest()}
    frames = [bytes(frame) for frame in frozen.frames]
    runtime.current().post(protocol.ANSWER, about, frames)


# Sending --------------------------------------------------------------------------------------


def find(name: str) -> tuple[str, dict[str, Any]]:
    """The id and home of the task of this name.  Raises NoSuchTask."""
    question = _desk().ask(protocol.FIND, {"name": name})
    if not inside.wait(question, _FIND_SECONDS):
        _desk().drop(question)
        raise TimeoutError(f"the node did not find {name!r} within {_FIND_SECONDS:g} s")
    return _found(name, question)


async def find_soon(name: str) -> tuple[str, dict[str, Any]]:
    """The same in a coroutine."""
    question = _desk().ask(protocol.FIND, {"name": name})
    try:
        if not await _soon(question, _FIND_SECONDS):
            raise TimeoutError(f"the node did not find {name!r} within {_FIND_SECONDS:g} s")
        return _found(name, question)
    finally:
        _desk().drop(question)


def _found(name: str, question: int) -> tuple[str, dict[str, Any]]:
    told = _desk().take(question)[0]
    _mail().names[name] = told["task"], told["home"]
    return _mail().names[name]


def known(name: str) -> tuple[str, dict[str, Any]] | None:
    """What `find` has found before."""
    return _mail().names.get(name)


def send(to: Target, frozen: Image, timeout: float | None, *, request: bool) -> int:
    """Send a message to the task of this id, name and home; its number, once it was accepted."""
    number, question = _begin(to, frozen, timeout, request)
    del frozen
    inside.wait(question, None)
    _accepted(to, number, question)
    return number


async def send_soon(to: Target, frozen: Image, timeout: float | None, *, request: bool) -> int:
    """The same in a coroutine.  One that is cancelled meanwhile may have sent it or not."""
    number, question = _begin(to, frozen, timeout, request)
    del frozen
    try:
        await _soon(question, None)
    except BaseException:
        _desk().drop(question)
        _mail().given_up(to[0], number)
        raise
    _accepted(to, number, question)
    return number


def _begin(to: Target, frozen: Image, timeout: float | None, request: bool) -> tuple[int, int]:
    task, name, home = to
    number, header = _mail().begin(task, name, request=request)
    about = {**header, "home": home, "patience": timeout}
    frames = [memoryview(frame) for frame in frozen.frames]
    parcel = Parcel(frozen.manifest(), frames, True)
    try:
        return number, _desk().ask(protocol.SEND, about, parcel)
    except BaseException:
        _mail().given_up(task, number)
        raise


def _accepted(to: Target, number: int, question: int) -> None:
    try:
        _desk().take(question)
    except MailboxFull as error:
        _mail().given_up(to[0], number)
        raise MailboxFull(f"{to[1] or to[0]} takes no more messages now: {error}") from None
    except BaseException as error:
        _mail().given_up(to[0], number)
        if isinstance(error, TaskLost):  # another one may have the name by now
            _mail().names.pop(to[1], None)
        raise
    _mail().accepted(to[0], number)


def outcome(to: Target, number: int, timeout: float | None, *, request: bool) -> Outcome:
    """What becomes of a message: wait until it was received, or replied to.  TimeoutError."""
    clock = _Clock(timeout)
    while (heard := _mail().outcome(to[0], number, request=request)) is None:
        if clock.is_over:
            raise _too_late(to, timeout)
        question = _ask_for_news(to, clock)
        if inside.wait(question, clock.remaining + _GRACE_SECONDS):
            if not _hear(to, question):
                inside.rest(_PAUSE)
        else:
            _desk().drop(question)
        clock.passed()
    return heard


async def outcome_soon(to: Target, number: int, timeout: float | None, *, request: bool) -> Outcome:
    """The same in a coroutine."""
    import asyncio

    clock = _Clock(timeout)
    while (heard := _mail().outcome(to[0], number, request=request)) is None:
        if clock.is_over:
            raise _too_late(to, timeout)
        question = _ask_for_news(to, clock)
        try:
            if await _soon(question, clock.remaining + _GRACE_SECONDS) and not _hear(to, question):
                await asyncio.sleep(_PAUSE)
        finally:
            _desk().drop(question)
        clock.passed()
    return heard


def forget(to: Target, number: int) -> None:
    """Nobody waits for the reply any more."""
    _mail().given_up(to[0], number)


def _ask_for_news(to: Target, clock: _Clock) -> int:
    seconds = clock.slice()
    header = {**_mail().news_of(to[0], seconds), "home": to[2]}
    return _desk().ask(protocol.REPLIES, header)


def _hear(to: Target, question: int) -> bool:
    header, parcel = _desk().take(question)
    frames = [] if parcel is None else parcel.frames
    return _mail().hear(to[0], header, frames)


def _too_late(to: Target, timeout: float | None) -> TimeoutError:
    return TimeoutError(f"{to[1] or to[0]} has not answered within {timeout or 0:g} s")


# Waiting --------------------------------------------------------------------------------------


async def _soon(question: int, timeout: float | None) -> bool:
    """Wait for an answer of the node, in a coroutine."""
    import asyncio

    remaining = float("inf") if timeout is None else timeout
    pause = _SHORTEST_PAUSE
    while not _desk().is_answered(question):
        _desk().listen()
        if _desk().is_answered(question):
            break
        if remaining <= 0:
            return False
        await asyncio.sleep(pause)
        remaining -= pause
        pause = min(2 * pause, _PAUSE)
    return True


def _desk() -> Desk:
    return runtime.current().desk


def _mail() -> Mail:
    return runtime.current().desk.mail
