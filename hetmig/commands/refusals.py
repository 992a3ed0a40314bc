"""What this version would not move, found out by trying it here, for `hetmig doctor`."""

from __future__ import annotations

import functools
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from hetmig.errors import HetmigError

__all__ = ["try_refusals"]


def try_refusals() -> dict[str, str]:
    """What was refused, and in which words.  Nothing here has an effect that lasts."""
    found: dict[str, str] = {}
    for what, shape in _SHAPES.items():
        reason = _refusal(shape, _mover(sys._getframe()))
        if reason:
            found[what] = reason
    with open(os.devnull) as file, closing(socket.socket()) as sock, _thread() as thread:
        values: dict[str, object] = {
            "an open file": file,
            "a socket": sock,
            "a running thread": thread,
        }
        for what, value in values.items():
            reason = _refusal(_freeze, value)
            if reason:
                found[what] = reason
    return found


@contextmanager
def _thread() -> Iterator[threading.Thread]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="any", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        end.set()
        thread.join()


def _refusal(attempt: Callable[[Any], object], argument: object) -> str:
    try:
        attempt(argument)
    except HetmigError as error:
        return str(error)
    return ""


Move = Callable[..., int]


def _mover(root: FrameType) -> Move:
    """A stand-in for `hetmig.migrate` in a task that began under `root`: it captures, no more."""
    from hetmig.interpreter.capture import capture

    def move(*_: object) -> int:
        frame = sys._getframe()
        assert frame.f_back is not None
        capture(frame.f_back, root=root, callee=frame)
        return 0

    return move


def _freeze(value: object) -> None:
    from hetmig.state.image import freeze_value

    freeze_value(value)


def _sort(move: Move) -> Any:
    def key(value: int) -> int:
        return move(value)

    return sorted([1, 2], key=key)


def _map(move: Move) -> Any:
    def double(value: int) -> int:
        return move(value)

    return list(map(double, [1, 2]))


def _reduce(move: Move) -> Any:
    def add(total: int, value: int) -> int:
        return move(total, value)

    return functools.reduce(add, [1, 2, 3])


def _generator(move: Move) -> Any:
    def numbers() -> Iterator[int]:
        yield move()

    return sum(numbers())


def _class_body(move: Move) -> Any:
    class Body:
        value = move()

    return Body


_SHAPES: dict[str, Callable[[Move], Any]] = {
    "inside sorted(key=f)": _sort,
    "inside map(f, ...)": _map,
    "inside functools.reduce(f, ...)": _reduce,
    "inside sum(generator)": _generator,
    "inside a class body": _class_body,
}
