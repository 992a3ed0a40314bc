"""How far a task is: as it says itself, or else as its progress bars show."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hetmig.state import progress_bars

__all__ = ["Progress"]

_SECONDS = 0.05


class Progress:
    """Reports for the submitter, at most some per second.  Who calls holds the channel."""

    def __init__(self, send: Callable[[list[Any]], None]) -> None:
        self._send = send
        self._waiting: list[Any] | None = None
        self._sent = 0.0
        self._says_itself = False
        self._seen: list[Any] = []
        """What the bars showed last."""

    def tell(self, done: float, total: float | None, note: str) -> None:
        """The program says so."""
        self._says_itself = True
        self._report([done, total, note])

    def look(self) -> None:
        """See what the program's bars show, if it says nothing itself."""
        if self._says_itself or (found := progress_bars.look()) is None:
            return
        if [*found] != self._seen:
            self._seen = [*found]
            self._report([*found])

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting is not None:
            self._send(self._waiting)
            self._waiting = None

    def _report(self, progress: list[Any]) -> None:
        self._waiting = progress
        now = time.monotonic()
        if now - self._sent >= _SECONDS or progress[0] == progress[1]:
            self._sent = now
            self.flush()
