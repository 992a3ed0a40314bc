"""Standard input for a task: read where it was submitted, when the task asks for it."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from hetmig.errors import HetmigError

__all__ = ["Feeder"]

_PIECE = 64 << 10


class Feeder:
    """Reads one piece of a stream each time that the task waits for one."""

    def __init__(self, stream: Any, send: Callable[[int, bytes], object]) -> None:
        """`stream` is a binary one, or has such a `buffer`; `send(n, piece)` hands one in."""
        self._stream = getattr(stream, "buffer", stream)
        self._send = send
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._last: tuple[int, bytes] = (0, b"")
        self._newest = 0
        # it may wait for somebody to type for ever, and nobody waits for it
        threading.Thread(target=self._run, name="hetmig-input", daemon=True).start()

    def wanted(self, number: int) -> None:
        """The task waits for this piece."""
        if number != self._newest:
            self._newest = number
            self._asked.put(number)

    def _run(self) -> None:
        while True:
            number = self._asked.get()
            if number != self._last[0]:
                self._last = number, self._read()
            try:
                self._send(*self._last)
            except HetmigError:
                self._newest = 0  # it is asked for again, if the task is still there

    def _read(self) -> bytes:
        try:
            return os.read(self._stream.fileno(), _PIECE)
        except (AttributeError, OSError, ValueError):
            read: Any = getattr(self._stream, "read1", self._stream.read)
            return bytes(read(_PIECE))
