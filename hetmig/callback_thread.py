"""A thread in which callbacks are called, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sys
import threading
from collections.abc import Callable

__all__ = ["CallbackThread"]

_END_SECONDS = 10.0


class CallbackThread:
    """Calls what it is given, in that order, until it is stopped."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call_later(self, call: Callable[[], None]) -> None:
        """Call it, after all that was given before."""
        self._calls.put(call)

    async def caught_up(self) -> None:
        """Wait until all that was given so far has been called."""
        done, loop = asyncio.Event(), asyncio.get_running_loop()

        def reached() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(done.set)

        self.call_later(reached)
        await done.wait()

    def stop(self) -> None:
        """End it, after all that was given."""
        self._calls.put(None)

    def join(self) -> None:
        """Wait for its end, unless this is its own thread."""
        if self._thread is not threading.current_thread():
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                sys.excepthook(*sys.exc_info())  # a callback failed; the others still count
            del call  # it holds a task, and its result
