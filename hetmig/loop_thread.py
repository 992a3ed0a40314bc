"""An event loop in a thread of its own, to which other threads hand work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from hetmig.errors import HetmigError
from hetmig.node.sockets import new_event_loop

__all__ = ["LoopThread"]

T = TypeVar("T")
_END_SECONDS = 10.0


class LoopThread:
    """Runs until it is stopped.  Whoever waits for what was handed in gets an answer."""

    def __init__(self, name: str) -> None:
        self._loop = new_event_loop()
        self._lock = threading.Lock()
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def hand_in(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there; it is cancelled if the loop ends first.  Raises HetmigError."""
        with self._lock:  # else the loop could end in between, and never look at it
            if self._is_open:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise HetmigError("this connection is closed")

    def call_soon(self, action: Callable[[], object]) -> None:
        """Call it there, if the loop still runs by then.  Raises RuntimeError after its end."""
        self._loop.call_soon_threadsafe(action)

    def stop(self) -> None:
        """End it, and wait for that, unless this is its own thread."""
        self.call_soon(self._loop.stop)
        if self._thread is not threading.current_thread():
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        self._loop.run_forever()
        with self._lock:
            self._is_open = False
        self._loop.run_until_complete(_cancel_the_rest())
        self._loop.close()


async def _cancel_the_rest() -> None:
    await asyncio.sleep(0)  # what other threads have just handed in begins
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
