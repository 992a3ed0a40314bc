"""A copy of one task is kept as a checkpoint, while the task goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from hetmig.errors import InMotion
from hetmig.node import protocol
from hetmig.node.handoff import State
from hetmig.node.protocol import Message

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted

__all__ = ["Saving"]


class Saving:
    """What one task on this node does for a checkpoint."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted
        self._is_freezing = False

    def give_way(self) -> None:
        """The task is to move: a checkpoint that is still waiting for a safe point can wait."""
        if self._is_freezing:
            self._hosted.fail_freeze(InMotion("the task was about to move"))

    async def save(
        self, timeout: float, stop: bool, write: Callable[[Message], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Let `write` keep a copy of the running task, which goes on meanwhile; what it returns.

        With `stop` the task stands still until it is written, and is cancelled then.
        Raises NotMigratable with what was in the way, and what `write` raises.
        """
        hosted = self._hosted
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await hosted.begun.wait()
        async with hosted.moving:
            hosted.require(State.RUNNING)
            self._is_freezing = True
            try:
                frozen = await hosted.frozen(timeout, True, "stop" if stop else "copy")
            finally:
                self._is_freezing = False
            hosted.require(State.RUNNING)
            writing = write(frozen)
            if stop:
                return await self._saved_and_ended(writing)
        return await writing

    async def _saved_and_ended(self, writing: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        hosted = self._hosted
        assert hosted.runner is not None
        try:
            saved = await writing
        except BaseException:
            hosted.runner.send(protocol.GO_ON, {"error": None})
            raise
        hosted.cancel_here()
        return saved
