"""Where a stack may be captured, and how a request reaches a running loop.

A request is a signal: its Python-level handler runs in the main thread between two instructions,
wherever CPython looks whether something is pending.  It looks at loop back-edges, at the entry of
functions and after calls.  The first two are safe points: the instruction can simply be executed
again.  After a call the result is in flight on the stack, and from the handler that looks the same
as being inside a C function that lets signals through: such places are passed by.

To pass by costs no waiting: the handler raises the signal once more as its very last act, and so
is run again at the next place where CPython looks.  Where a version's loops look only when a test
has already been decided, the handler has itself called before the next instruction instead.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, cast

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.call_names import name_of_call
from hetmig.interpreter.frames import address_of, position

__all__ = ["SIGNAL", "PassingPlace", "Preemptor", "raise_again", "unsafe_reason"]

SIGNAL = signal.Signals(getattr(signal, "SIGURG", None) or signal.SIGBREAK)  # type: ignore[attr-defined]
"""The signal of a request.  SIGURG is ignored by default and hardly used (Go preempts with it,
for the same reasons); Windows has only SIGBREAK to spare."""

_OURS = f"{__package__}."
_SAFE = frozenset({"JUMP_BACKWARD", "RESUME"})


class _RaiseAgain:
    """`raise_again[signum]` marks a signal as pending without looking whether one is.

    A call would look, right after it, and run the handler inside the handler.  A subscript does
    not, and a built-in function found as `__getitem__` is called as it is.
    """

    __getitem__ = _thread.interrupt_main


raise_again: Mapping[int, object] = cast("Any", _RaiseAgain())


def unsafe_reason(frame: FrameType) -> str | None:
    """Why a signal handler that interrupted `frame` may not capture it there; None if it may."""
    if str(frame.f_globals.get("__name__")).startswith(_OURS):
        return "hetmig itself is at work"
    try:
        where = position(frame)
    except NotMigratable as error:  # code that nobody can read
        return error.reason
    if where is None:
        return "the task is still being put back"
    point = where.point
    if point.name in _SAFE:
        return None
    return f"it is in {name_of_call(where)} or has just returned from it"


def _is_decided(frame: FrameType) -> bool:
    """Whether `frame` was interrupted between a test and the jump that depends on it."""
    try:
        where = position(frame)
    except NotMigratable:
        return False
    return where is not None and where.point.name in cpython.DECIDED_JUMPS


class _NextInstruction:
    """Has something called before the next instruction that a frame executes.

    Uses the interpreter's trace function for that one instruction.  It lets go of the frame at
    once: in a cycle with it, all that the program holds there would live on.
    """

    def __init__(self, frame: FrameType, call: Callable[[FrameType], object]) -> None:
        self._frame: FrameType | None = frame
        self._call = call

    def arrange(self) -> bool:
        """Begin; False if the trace function is taken."""
        if sys.gettrace() is not None or self._frame is None:
            return False
        self._frame.f_trace = self._trace
        self._frame.f_trace_opcodes = True
        sys.settrace(self._trace)
        return True

    def _trace(self, traced: FrameType, event: str, _argument: object) -> Any:
        if traced is not self._frame:
            return None
        if event not in ("opcode", "return", "exception"):
            return self._trace
        self._frame = None
        sys.settrace(None)
        traced.f_trace = None
        traced.f_trace_opcodes = False
        if event == "opcode":
            self._call(traced)
        return None


class PassingPlace(NotMigratable):
    """Not here, but the program will have left this place in a moment."""


class Preemptor:
    """Finds the next safe points of the main thread for somebody who wants to stop it.

    `visit(frame)` is called in the main thread, in a signal handler, at safe points, until it
    returns True (done); False asks for the very next one.  It may raise NotMigratable: not here,
    for this reason, and the program is left alone for a pause; or PassingPlace, which is like
    False.  Whoever always paused could find a loop at the same such place each time: the signal is
    seen when a sleep ends, say, and from there the next look always falls into the same call.
    For the same reason each pause is followed by a look at a later place than the one before: as
    many are passed by as have been refused.

    When the time is up, `on_expired(error)` is called with the last reason, in the thread that
    keeps the time.
    """

    FIRST_PAUSE = 0.001
    LONGEST_PAUSE = 0.1
    FURTHEST = 64
    """Places passed by after a pause, at most."""
    SOON = 0.01
    """Seconds in which the handler itself mostly finds a place, without the thread's help."""
    PATIENCE = 1000
    """Places passed by in a row before the program is left alone for a pause."""

    def __init__(
        self, visit: Callable[[FrameType], bool], on_expired: Callable[[NotMigratable], None]
    ) -> None:
        self._visit = visit
        self._on_expired = on_expired
        self.poll: Callable[[], object] | None = None
        """Called in the main thread at each signal while nothing is asked for; may `begin`."""
        self.searching: Callable[[], object] | None = None
        """Called, in any thread, when it turns out that the search takes longer than a moment."""
        self._asked = threading.Event()
        self._settled = threading.Event()
        self._settled.set()
        self._turn = threading.Lock()  # held by whoever looks, or decides that it is too late
        self._late = False
        self._closed = False
        self._alone_until: float | None = None  # while nobody but the handler is at it
        self._deadline = 0.0
        self._passed = self._refused = self._skip = 0
        self._reason: Callable[[], NotMigratable] | None = None
        self._unsafe: dict[tuple[int, int], str] = {}  # what was said of a place, for this request
        self._keeper: threading.Thread | None = None

    def install(self) -> None:
        """Install the signal handler; call it in the main thread."""
        signal.signal(SIGNAL, self._handle)

    def begin(self, deadline: float, *, looking: bool = False) -> None:
        """Start looking for a safe point, for at most `deadline` seconds.  Any thread may call.

        `looking`: `poll` calls, in the handler, which looks as soon as it has returned.  It mostly
        finds a place before the thread that keeps the time would be awake, and want its turn.
        """
        self._reason = None
        self._unsafe = {}
        self._passed = self._refused = self._skip = 0
        self._late = False
        self._deadline = time.monotonic() + deadline
        self._settled.clear()
        self._alone_until = time.monotonic() + self.SOON
        if not looking:
            self.keep_time()

    def keep_time(self) -> None:
        """The handler is not to be alone with the search any more."""
        if self._alone_until is None or not self.pending:
            return
        self._alone_until = None
        self.get_ready()
        self._asked.set()
        if self.searching is not None:
            self.searching()

    def get_ready(self) -> None:
        """Start the thread that keeps the time, now and not when it is wanted.

        For whoever calls `begin`, too, and at another time.
        """
        if self._keeper is None:
            keeper = threading.Thread(target=self._keep_time, name="hetmig-preemptor", daemon=True)
            with contextlib.suppress(RuntimeError):  # no threads here: whoever asks must signal
                keeper.start()
                self._keeper = keeper

    def cancel(self) -> None:
        """Stop looking."""
        self._settled.set()

    def offer(self, frame: FrameType) -> None:
        """The program itself comes by, in its main thread, and says that this is a safe point."""
        if self._late or not self.pending or not self._turn.acquire(blocking=False):
            return
        try:
            self._use(frame)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Stop looking for good, and end the thread that keeps the time."""
        self._closed = True
        self._settled.set()
        self._asked.set()
        if self._keeper is not None and self._keeper is not threading.current_thread():
            self._keeper.join()
            self._keeper = None

    @property
    def pending(self) -> bool:
        """Whether a safe point is being looked for."""
        return not self._settled.is_set()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        # a signal inside this handler, or one that comes while it is decided to give up
        if frame is None or not self._turn.acquire(blocking=False):
            return
        again = False
        try:
            if not self.pending and self.poll is not None:
                self.poll()
            if self.pending and not self._late:
                if self._alone_until is not None and time.monotonic() > self._alone_until:
                    self.keep_time()
                again = self._look(frame)
        finally:
            self._turn.release()
        if again:
            raise_again[signum]

    def _look(self, frame: FrameType) -> bool:
        """Use this place or pass it by; whether to come back at the very next one."""
        place = id(frame.f_code), frame.f_lasti
        reason = self._unsafe.get(place) or unsafe_reason(frame)
        if reason is None:
            return self._come_to(frame)
        self._unsafe[place] = reason
        # the words for it are wanted once in a while, and this is done at each place passed by
        self._reason = functools.partial(NotMigratable, reason, frame=address_of(frame))
        if _is_decided(frame) and _NextInstruction(frame, self._arrive).arrange():
            return False
        return self._pass_by()

    def _pass_by(self) -> bool:
        self._passed += 1
        # for long at one place: inside a C function that looks for signals in a loop of its own
        again = self._passed % self.PATIENCE != 0
        if not again:
            self.keep_time()
        return again

    def _come_to(self, frame: FrameType) -> bool:
        """A safe point, or one of those that are passed by."""
        if self._skip > 0:
            self._skip -= 1
            return self._pass_by()
        return self._use(frame)

    def _use(self, frame: FrameType) -> bool:
        try:
            done = self._visit(frame)
        except NotMigratable as error:
            # its traceback would keep alive what the program lets go of
            reason = error.with_traceback(None)
            reason.__context__ = reason.__cause__ = None
            self._reason = lambda: reason
            if isinstance(error, PassingPlace):
                return self._pass_by()
            self._refused += 1
            self.keep_time()
            return False
        except Exception as error:
            # we run inside somebody's loop: whatever went wrong here must not come out there
            what = f"{type(error).__name__}: {error}"
            text = f"to look at it failed, by a mistake of hetmig's ({what})"
            self._reason = functools.partial(NotMigratable, text, frame=address_of(frame))
            self.keep_time()
            return False
        if done:
            self._settled.set()
        return not done

    def _arrive(self, frame: FrameType) -> None:
        """`_look`, called before an instruction: every such place is a safe point."""
        if self._late or not self.pending or not self._turn.acquire(blocking=False):
            return
        try:
            again = self._come_to(frame)
        finally:
            self._turn.release()
        if again:
            raise_again[SIGNAL]

    def _keep_time(self) -> None:
        """Ask again and again, with growing pauses, until it is settled or too late."""
        while True:
            self._asked.wait()
            if self._closed:
                return
            self._asked.clear()
            pause = self.FIRST_PAUSE
            while not self._settled.is_set():
                remaining = self._deadline - time.monotonic()
                if remaining <= 0:
                    self._expire()
                    break
                self._skip = self._refused % self.FURTHEST
                _thread.interrupt_main(SIGNAL)
                self._settled.wait(min(pause, remaining))
                pause = min(2 * pause, self.LONGEST_PAUSE)

    def _expire(self) -> None:
        self._late = True  # a main thread that looks again and again would never let us have a turn
        with self._turn:
            if self._settled.is_set():
                return
            self._settled.set()
        self._on_expired((self._reason or _not_reached)())


def _not_reached() -> NotMigratable:
    """The main thread never came by: it is inside a C call that does not look for signals."""
    main = sys._current_frames().get(threading.main_thread().ident or 0)
    reason = "the main thread is inside a call that does not return"
    if main is None:
        return NotMigratable(reason)
    with contextlib.suppress(NotMigratable):
        where = position(main)
        if where is not None:
            reason = f"the main thread is inside {name_of_call(where)}, which does not return"
    return NotMigratable(reason, frame=address_of(main))
