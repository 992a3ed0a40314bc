"""Stops a program at each of its safe points, one after the other, and lets it go on.

The stops are made the way a request makes them (see `hetmig.interpreter.safepoint`), only that
each one asks for the next.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from hetmig.errors import FrameAddress
from hetmig.interpreter import reentry
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.capture import address_of, capture
from hetmig.interpreter.safepoint import SIGNAL, Preemptor
from hetmig.testing import drivers

__all__ = ["Stop", "above", "point", "visiting"]

T = TypeVar("T")

_OURS = __package__
_PROGRAMS = drivers.__name__

_FOREVER = 1e9

_visitor: Callable[[FrameType, FrameType], None] | None = None
_bottom: FrameType | None = None


def point(value: T) -> T:
    """A place where a program under torture also migrates itself; returns `value`.

    Where it stands in an expression, the expression is moved half evaluated.  Outside the harness
    it does nothing.
    """
    if _visitor is not None:
        # no local variable for the own frame: that would be a cycle, and keep `value` alive
        _visitor(sys._getframe(1), sys._getframe())
    return value


@dataclass(frozen=True)
class Stop:
    """A place where the program stands now."""

    frame: FrameType
    root: FrameType
    callee: FrameType | None

    @property
    def where(self) -> FrameAddress:
        """Function, file and line."""
        return address_of(self.frame)

    def capture(self) -> tuple[list[Activation], object]:
        """The program's stack, and the result that the innermost frame waits for, if any."""
        stack = capture(self.frame, root=self.root, callee=self.callee)
        return stack, self.callee.f_locals["value"] if self.callee is not None else None


def above(run: Callable[[], object]) -> object:
    """The frame below the program: what it calls is captured, itself not."""
    global _bottom
    _bottom = sys._getframe()
    signal.raise_signal(SIGNAL)  # visited at once, not when the preemptor's own thread gets to it
    try:
        return run()
    finally:
        _bottom = None


@contextmanager
def visiting(visit: Callable[[Stop], None]) -> Iterator[None]:
    """Have every safe point of the program that `above` runs visited, one after the other.

    What `visit` raises is raised again at the end: it must not come out inside the program.
    """
    global _visitor
    mistakes: list[BaseException] = []

    def at_signal(frame: FrameType) -> bool:
        if (root := _root_of(frame)) is not None:
            show(frame, root, None)
        return False

    def at_point(frame: FrameType, callee: FrameType) -> None:
        root = _root_of(frame)
        if root is None:
            return
        preemptor.cancel()  # else each call that the visit makes is looked at, too
        show(frame, root, callee)
        preemptor.begin(_FOREVER)
        signal.raise_signal(SIGNAL)

    def show(frame: FrameType, root: FrameType, callee: FrameType | None) -> None:
        if mistakes:
            return
        try:
            visit(Stop(frame, root, callee))
        except Exception as error:
            mistakes.append(error)

    preemptor = Preemptor(at_signal, lambda error: None)
    preemptor.PATIENCE = sys.maxsize
    before: Any = signal.getsignal(SIGNAL)
    preemptor.install()
    _visitor = at_point
    preemptor.begin(_FOREVER)
    try:
        yield
    finally:
        _visitor = None
        preemptor.close()
        signal.signal(SIGNAL, before if before is not None else signal.SIG_DFL)
    if mistakes:
        raise mistakes[0]


def _is_harness(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return (name == _OURS or name.startswith(f"{_OURS}.")) and name != _PROGRAMS


def _root_of(frame: FrameType) -> FrameType | None:
    """The frame right above the program; None if `frame` is the harness's own."""
    below: FrameType | None = None
    at: FrameType | None = frame
    while at is not None and at is not _bottom:
        if _is_harness(at):
            return None
        below, at = at, at.f_back
    put_back = below is not None and below.f_globals is vars(reentry)
    return below if put_back else at
