"""The torture harness: a program is migrated at every safe point, and must not notice.

`torture(function)` runs a function once, and at every safe point of that run captures the stack,
turns it into bytes and lets the program go on (which proves that capture only reads).  Then each
image is thawed and run to its end, and its outcome compared with that of an undisturbed run.

`ping_pong(function)` migrates one run again and again: each hop is a process of its own, which
goes on from the image to its next safe point, captures itself there and ends.
"""

from __future__ import annotations

import functools
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

import cloudpickle

from hetmig.errors import FrameAddress, HetmigError, NotMigratable
from hetmig.interpreter import reentry
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.capture import address_of, capture
from hetmig.interpreter.reentry import prepare, resume
from hetmig.interpreter.safepoint import SIGNAL, Preemptor
from hetmig.state import image
from hetmig.state.image import Image

__all__ = ["Difference", "Report", "outcome", "ping_pong", "point", "torture"]

T = TypeVar("T")

_visitor: Callable[[FrameType, FrameType | None], None] | None = None


def point(value: T) -> T:
    """A place where a program under torture also migrates itself; returns `value`."""
    if _visitor is not None:
        # no local variable for the own frame: that would be a cycle, and keep `value` alive
        _visitor(sys._getframe(1), sys._getframe())
    return value


class Difference(HetmigError):
    """A migrated run differs from the unmigrated one.  The message says where it was moved."""


@dataclass
class Report:
    """What a torture run did."""

    migrated: int = 0
    """How many migrations gave the unmigrated outcome."""
    refused: list[NotMigratable] = field(default_factory=list)
    """Why the others were refused."""
    largest: int = 0
    """The largest image, in bytes."""

    @property
    def reasons(self) -> set[str]:
        """The different reasons of refusal."""
        return {error.reason for error in self.refused}


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its value, or its exception with the functions and lines it passed."""

    value: object
    error: tuple[Any, ...] | None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        return repr(self) == repr(other) and self.error == other.error


def outcome(run: Callable[[], object]) -> Outcome:
    """Run to the end and describe how it ended, as far as a migration must not change it."""
    try:
        return Outcome(run(), None)
    except Exception as error:
        return Outcome(None, _describe(error))


def _describe(error: BaseException | None) -> tuple[Any, ...] | None:
    if error is None:
        return None
    return (
        type(error).__name__,
        str(error),
        tuple(getattr(error, "__notes__", ())),
        _describe(error.__cause__),
    )


@dataclass
class _Stop:
    where: FrameAddress
    frozen: Image


def torture(function: Callable[[], object]) -> Report:
    """Migrate `function()` once at each of its safe points, in this process.

    Raises Difference for the first migrated run whose outcome differs.
    """
    expected = outcome(function)
    report = Report()
    stops: list[_Stop] = []

    def visit(frame: FrameType, root: FrameType, callee: FrameType | None) -> None:
        try:
            stack = capture(frame, root=root, callee=callee)
            result = callee.f_locals["value"] if callee is not None else None
            frozen = _freeze(stack, result)
        except NotMigratable as error:
            # its traceback would keep alive what the program lets go of
            error.__context__ = error.__cause__ = None
            report.refused.append(error.with_traceback(None))
        else:
            stops.append(_Stop(address_of(frame), frozen))

    with _visiting(visit):
        undisturbed = outcome(lambda: _root(function))
    if undisturbed != expected:
        raise Difference(f"captured while it ran, it gave {undisturbed}, expected {expected}")
    for stop in stops:
        report.largest = max(report.largest, stop.frozen.nbytes)
        _compare(stop, expected)
        report.migrated += 1
    return report


def _compare(stop: _Stop, expected: Outcome) -> None:
    stack, result = _thaw(stop.frozen)
    got = outcome(lambda: resume(stack, result))
    if got != expected:
        line = f"moved at {stop.where}, it gave {got}, expected {expected}"
        raise Difference(line, frame=stop.where)


def _freeze(stack: list[Activation], result: object) -> Image:
    """An image of its own: the program, whose buffers `freeze` lends, goes on."""
    frozen = image.freeze(stack, {"result": result})
    return Image(frozen.kind, [bytes(frame) for frame in frozen.frames], frozen.description)


def _thaw(frozen: Image) -> tuple[list[Activation], object]:
    """Thaw as a process does that has never seen the program's own classes."""
    cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
    stack, extra = image.thaw(frozen)
    return stack, extra["result"]


def _root(run: Callable[[], object]) -> object:
    """The frame below the program: what it calls is captured, itself not."""
    global _program_root
    _program_root = sys._getframe()
    signal.raise_signal(SIGNAL)  # visited at once, not when the preemptor's own thread gets to it
    try:
        return run()
    finally:
        _program_root = None


_program_root: FrameType | None = None


@contextmanager
def _visiting(
    visit: Callable[[FrameType, FrameType, FrameType | None], None],
) -> Iterator[None]:
    """Have every safe point of the program under `_root` visited, one after the other."""
    global _visitor

    def at_signal(frame: FrameType) -> bool:
        at_point(frame, None)
        return False

    def at_point(frame: FrameType, callee: FrameType | None) -> None:
        root = _root_of(frame)
        if root is not None:
            visit(frame, root, callee)

    preemptor = Preemptor(at_signal, lambda error: None)
    preemptor.PATIENCE = sys.maxsize
    before = signal.getsignal(SIGNAL)
    preemptor.install()
    _visitor = at_point
    preemptor.begin(float("1e9"))
    try:
        yield
    finally:
        _visitor = None
        preemptor.close()
        signal.signal(SIGNAL, before if before is not None else signal.SIG_DFL)


def _root_of(frame: FrameType) -> FrameType | None:
    """The frame right above the program; None if `frame` is the harness's own."""
    below: FrameType | None = None
    at: FrameType | None = frame
    while at is not None and at is not _program_root:
        if at.f_globals is globals():
            return None
        below, at = at, at.f_back
    put_back = below is not None and below.f_globals is vars(reentry)
    return below if put_back else at


def ping_pong(function: Callable[[], object], *, hops: int = 100_000) -> Report:
    """Migrate one run of `function()` at (nearly) every safe point, each hop a process of its own.

    A hop goes on from the last image to the second safe point that can be captured: the first is
    the one it has come from.  Needs `os.fork`.  Raises Difference, and HetmigError for a hop that
    dies or for a run that takes more than `hops`.
    """
    expected = outcome(function)
    report = Report()
    frozen: Image | None = None
    for _ in range(hops):
        kind, payload = _in_child(function, frozen)
        if kind == "outcome":
            if payload != repr(expected):
                raise Difference(f"moved {report.migrated} times: {payload}, not {expected!r}")
            return report
        report.migrated += 1
        frozen = pickle.loads(payload)
    raise HetmigError(f"not finished after {hops} hops")


def _in_child(function: Callable[[], object], frozen: Image | None) -> tuple[str, Any]:
    """Fork, run there, and return what the child sends: its image, or its outcome."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            _hop(function, frozen, writer)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise HetmigError(f"a hop ended with {os.waitstatus_to_exitcode(status)}")
    kind, payload = pickle.loads(data)
    return kind, payload


def _hop(function: Callable[[], object], frozen: Image | None, writer: int) -> None:
    seen, wanted = 0, 1
    run = function
    if frozen is not None:
        wanted = 2  # the first is where it comes from
        stack, result = _thaw(frozen)
        run = functools.partial(prepare(stack), result)

    def send(kind: str, payload: object) -> None:
        with open(writer, "wb") as stream:
            pickle.dump((kind, payload), stream)

    def visit(frame: FrameType, root: FrameType, callee: FrameType | None) -> None:
        nonlocal seen
        try:
            stack = capture(frame, root=root, callee=callee)
            result = callee.f_locals["value"] if callee is not None else None
            frozen = _freeze(stack, result)
        except NotMigratable:
            return
        seen += 1
        if seen == wanted:
            send("image", pickle.dumps(frozen))
            os._exit(0)

    with _visiting(visit):
        ended = outcome(lambda: _root(run))
    send("outcome", repr(ended))
