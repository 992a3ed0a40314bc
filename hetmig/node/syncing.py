"""When a journal is written: what nobody waits for goes to the disk together, a moment later."""

from __future__ import annotations

import asyncio
import functools
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
        self._fails = False
        self._not_before = 0.0

    def soon(self) -> None:
        """Something was gathered."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._sync)

    async def written(self) -> None:
        """Wait until all that was gathered is on the disk, however long that takes.

        It is written at once, but the node has as much time for other things as for the disk:
        while one write is under way, what the next one will hold gathers.
        """
        if self._journal.is_written:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._journal.when_synced(functools.partial(_settle, done))
        when = max(loop.time(), self._not_before)
        if self._timer is None or (self._timer.when() > when and not self._fails):
            self.close()
            self._timer = loop.call_at(when, self._sync)
        await done

    def close(self) -> None:
        """Write nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer, began = None, loop.time()
        try:
            self._journal.sync()
        except JournalError as error:
            _log.error("%s", error)
            self._fails, self._timer = True, loop.call_later(_AGAIN, self._sync)
        else:
            self._fails = False
            self._not_before = loop.time() + min(loop.time() - began, _PAUSE)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
