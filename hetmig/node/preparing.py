"""A runner whose task is about to move says which code it stands in, while the task runs on.

The task's own thread only lists its frames, in a signal handler; everything else is done beside it,
in the thread of the control line.  What is told may be out of date at once, or never be asked for:
it is a hint for the destination, and makes ready here what the capture will need (see
`state.precopy`).
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from hetmig.interpreter import safepoint
from hetmig.node import protocol, sleeping
from hetmig.node.protocol import Message
from hetmig.state import precopy
from hetmig.state.precopy import Ahead, Standing

if TYPE_CHECKING:
    from hetmig.node.runtime import Runtime

__all__ = ["Preparing", "quick_turns"]

_OURS = f"{__package__.partition('.')[0]}."
_LOOK_SECONDS = 0.1
"""A task which has not looked at its signals for so long is moved without."""
_TURN_SECONDS = 0.002
_TURNS = 10
_MOST_FRAMES = 1000


_QUICK_SECONDS = 0.0002


@contextlib.contextmanager
def quick_turns() -> Iterator[None]:
    """Get the interpreter soon while the task computes: not after 5 ms, each time it was let go.

    Each frame of a message that is read or written lets go of it.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_QUICK_SECONDS)
    quick = sys.getswitchinterval()  # which is rounded
    try:
        yield
    finally:
        if sys.getswitchinterval() == quick:  # else the task has chosen its own
            sys.setswitchinterval(usual)


class Preparing:
    """The requests to prepare for a move, of one task."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._known = frozenset(sys.modules)
        """What each runner has imported: the destination's, too."""
        self._request: int | None = None
        self._wanted = False
        self._noted: Sequence[Standing] = ()
        self._looked = threading.Event()

    def asked(self, message: Message) -> None:
        """The node wants to know; in whichever thread that was heard."""
        self._request = message.header["request"]

    def note(self) -> bool:
        """Whether this signal is ours: it is noted then where the task stands.

        For the signal handler in the task's own thread.
        """
        if not self._wanted:
            return False
        self._wanted = False
        self._noted = _standing(sys._getframe(), self._runtime.root)
        self._looked.set()
        return True

    def answer(self) -> None:
        """Tell the node, if it has asked.  For the thread of the control line."""
        request, self._request = self._request, None
        if request is None:
            return
        self._runtime.preemptor.get_ready()
        ahead = Ahead([], [], [])
        # whatever is odd about the program's modules, this thread has to go on
        with contextlib.suppress(Exception):
            ahead = precopy.described(self._look(), self._known)
        header = {"request": request, "modules": ahead.modules, "places": ahead.places}
        self._say(header, ahead.codes)

    def _look(self) -> Sequence[Standing]:
        """Where the task stands; nothing if it does not say so in time."""
        self._looked.clear()
        self._noted, self._wanted = (), True
        _knock()
        self._looked.wait(_LOOK_SECONDS)
        self._wanted = False
        noted, self._noted = self._noted, ()
        return noted

    def _say(self, header: dict[str, object], codes: Sequence[bytes]) -> None:
        lock = self._runtime.channel.lock
        for _ in range(_TURNS):
            if lock.acquire(blocking=False):
                try:
                    self._runtime.channel.send(protocol.PREPARED, header, codes)
                finally:
                    lock.release()
                return
            # its thread is saying something; or it is frozen already, and this is too late
            sleeping.rest_aside(_TURN_SECONDS)


def _knock() -> None:
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, safepoint.SIGNAL)
    else:
        _thread.interrupt_main(safepoint.SIGNAL)


def _standing(frame: FrameType | None, root: FrameType | None) -> list[Standing]:
    """The task's frames, each with its namespace; ours above them are left out."""
    found: list[Standing] = []
    while frame is not None and frame is not root and len(found) < _MOST_FRAMES:
        namespace = frame.f_globals
        if type(namespace) is dict:  # another's methods are the program's: they are not called
            name = namespace.get("__name__")
            if not (type(name) is str and name.startswith(_OURS)):
                found.append((frame.f_code, namespace))
        frame = frame.f_back
    return found
