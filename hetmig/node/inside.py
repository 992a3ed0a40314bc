"""Objects and actors as a task uses them, through the node it is on.

The functions that wait hold nothing of the process, so a task is moved while it waits in them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import Any

from hetmig.errors import HetmigError, RemoteTraceback
from hetmig.node import protocol, runtime, sleeping
from hetmig.node.desk import Desk
from hetmig.node.methods import freeze_method
from hetmig.node.protocol import rebuild_error
from hetmig.state.image import Image, thaw
from hetmig.state.manifest import check_python
from hetmig.state.parcel import Parcel

__all__ = ["Reply", "ask", "call", "fetch", "rest", "wait"]

_LOOK_SECONDS = 0.25
"""Who waits looks so often for what has arrived, should nobody have woken him."""
_OTHERS_SECONDS = 0.005
_POLL_SECONDS = 5.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02


class Reply:
    """What becomes of a call that a task has made: like a future, and it moves with the task."""

    def __init__(self, task: str, home: dict[str, Any], call: tuple[str, int], what: str) -> None:
        self._task, self._home, self._call, self._what = task, home, call, what
        self._outcome: tuple[bool, Any] | None = None

    def __repr__(self) -> str:
        return f"<hetmig.Reply of {self._what}, {'done' if self.done() else 'pending'}>"

    def done(self) -> bool:
        """Whether the answer is here; asks nobody."""
        return self._outcome is not None or _desk().has_answer(self._task, self._call)

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        question, pause = None, _SHORTEST_PAUSE
        while not self.done():
            if question is None:
                question = _desk().poll(self._task, self._home, _POLL_SECONDS)
            _desk().listen()
            if _desk().is_answered(question):
                _desk().told(self._task, question)
                question = None
            else:
                yield from asyncio.sleep(pause).__await__()
                pause = min(2 * pause, _LONGEST_PAUSE)
        return self.result(0)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the method's result, at most `timeout` seconds (TimeoutError).

        Raises what the method raised; ActorLost if the actor is gone.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        return None if self._outcome is None else self._outcome[1]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end of the call; what the method raised, or None."""
        if self._outcome is None:
            if not _await_answer(self._task, self._home, self._call, timeout):
                raise TimeoutError(f"no answer of {self._what} within {timeout:g} s")
            self._outcome = _outcome(*_desk().answer(self._task, self._call))
        ok, value = self._outcome
        return None if ok else value


def ask(kind: str, header: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Ask the node; the answer.  Raises the error it is, or TimeoutError."""
    number = _desk().ask(kind, header)
    _require(number, timeout)
    return _desk().take(number)[0]


def ask_for_parcel(
    kind: str, header: dict[str, Any], timeout: float
) -> tuple[dict[str, Any], Parcel | None]:
    """Ask the node; the answer and what it brings."""
    number = _desk().ask(kind, header)
    _require(number, timeout)
    return _desk().take(number)


def tell(kind: str, header: dict[str, Any]) -> None:
    """Ask the node, and do not wait for the answer."""
    _desk().drop(_desk().ask(kind, header))


def ask_until(kind: str, header: dict[str, Any]) -> dict[str, Any]:
    """Ask the node, and wait as long as it takes; the answer.  Raises the error that it is."""
    number = _desk().ask(kind, {**header, "events": runtime.current().telling.events})
    wait(number, None)
    return _desk().take(number)[0]


def fetch(kind: str, header: dict[str, Any], timeout: float) -> Any:
    """Ask the node for a value."""
    number = _desk().ask(kind, header)
    _require(number, timeout)
    return _thawed(number)


def submit(
    frozen: Image, task: dict[str, Any], header: dict[str, Any], timeout: float
) -> dict[str, Any]:
    """Hand something in at the node, which is its home then; the answer."""
    number = _desk().ask(protocol.SUBMIT, header, _parcel(frozen, task))
    del frozen
    _require(number, timeout)
    return _desk().take(number)[0]


def call(
    task: str, home: dict[str, Any], method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Reply:
    """Call a method of an actor."""
    frozen = freeze_method(method, args, kwargs)
    made = _desk().call(task, home, method, _parcel(frozen, {}))
    return Reply(task, home, made, method or "the actor's start")


def _parcel(frozen: Image, task: dict[str, Any]) -> Parcel:
    return Parcel(frozen.manifest(task), [memoryview(frame) for frame in frozen.frames], True)


def _desk() -> Desk:
    return runtime.current().desk


def _thawed(number: int) -> Any:
    _, parcel = _desk().take(number)
    if parcel is None:
        raise HetmigError("the node's answer holds no object")
    check_python(parcel.manifest)
    return thaw(Image.of_parcel(parcel))


def _outcome(answer: dict[str, Any], frames: list[bytes]) -> tuple[bool, Any]:
    if answer["error"] is not None:
        return False, rebuild_error(answer["error"])
    check_python(answer["manifest"])
    views = [memoryview(frame) for frame in frames]
    value = thaw(Image.of_parcel(Parcel(answer["manifest"], views, True)))
    if not answer["ok"]:
        value.__cause__ = RemoteTraceback(answer["traceback"])
    return answer["ok"], value


def _require(number: int, timeout: float) -> None:
    if not wait(number, timeout):
        _desk().drop(number)
        raise TimeoutError(f"the node did not answer within {timeout:g} s")


def _await_answer(
    task: str, home: dict[str, Any], call: tuple[str, int], timeout: float | None
) -> bool:
    """Wait for the answer of a call; False if there is none in time."""
    remaining = float("inf") if timeout is None else timeout
    while not _desk().has_answer(task, call):
        before, seconds = time.monotonic(), max(0.0, min(_POLL_SECONDS, remaining))
        number = _desk().poll(task, home, seconds)
        if not wait(number, None if timeout is None else remaining):
            _desk().drop(number)
            return False
        _desk().told(task, number)
        remaining -= min(max(time.monotonic() - before, 0.0), seconds)
        if remaining <= 0 and not _desk().has_answer(task, call):
            return False
    return True


def wait(number: int, timeout: float | None) -> bool:
    """Wait for the answer to a question; False if there is none in time."""
    remaining = float("inf") if timeout is None else timeout
    while not _desk().is_answered(number):
        if remaining <= 0:
            return False
        before = time.monotonic()
        _desk().listen()
        if not _desk().is_answered(number):
            rest(min(remaining, _LOOK_SECONDS))
        # a move in between counts for little: clocks of two machines have nothing in common
        remaining -= min(max(time.monotonic() - before, 0.0), _LOOK_SECONDS)
    return True


def rest(seconds: float) -> None:
    """Do nothing for so long, or until something may have arrived."""
    if threading.current_thread() is threading.main_thread():
        sleeping.rest(seconds)
    else:
        sleeping.rest_aside(min(seconds, _OTHERS_SECONDS))
