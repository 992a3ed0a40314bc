"""When a journal is written: what nobody waits for goes to the disk together, a moment later."""

from __future__ import annotations

import asyncio
import logging

from hetmig.errors import JournalError
from hetmig.node.journal import Journal

__all__ = ["Syncing"]

_log = logging.getLogger("hetmig")
_PAUSE = 0.01
"""Seconds for which changes gather: one fsync then serves all of them."""
_AGAIN = 1.0


class Syncing:
    """To be made and used within a running event loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._timer: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """Something was gathered."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._sync)

    def close(self) -> None:
        """Write nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sync(self) -> None:
        self._timer = None
        try:
            self._journal.sync()
        except JournalError as error:
            _log.error("%s", error)
            self._timer = asyncio.get_running_loop().call_later(_AGAIN, self._sync)
