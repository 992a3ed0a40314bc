"""A copy of one task is kept as a checkpoint, while the task goes on."""

from __future__ import annotations

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
        self,
        timeout: float,
        stop: bool,
        write: Callable[[Message], Awaitable[dict[str, Any]]],
        because: str = "",
    ) -> dict[str, Any]:
        """Let `write` keep a copy of the running task, which goes on meanwhile; what it returns.

        With `stop` the task stands still until it is written, and ends then: cancelled, or lost
        `because` of something.
        Raises NotMigratable with what was in the way, and what `write` raises.
        """
        hosted = self._hosted
        await hosted.beginning(timeout)
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
                return await self._saved_and_ended(writing, because)
        return await writing

    async def _saved_and_ended(
        self, writing: Awaitable[dict[str, Any]], because: str
    ) -> dict[str, Any]:
        hosted = self._hosted
        assert hosted.runner is not None
        try:
            saved = await writing
        except BaseException:
            hosted.runner.send(protocol.GO_ON, {"error": None})
            raise
        remedy = f"{because}: `hetmig resume {saved['where']}` goes on with it"
        hosted.ending.cancel_here(remedy if because else "")
        return saved

    async def park(
        self,
        timeout: float,
        write: Callable[[Message], Awaitable[dict[str, Any]]] | None,
    ) -> dict[str, Any] | None:
        """Stop the task, and keep it in the journal as it stands; the node ends after this.

        `write` keeps a copy beside it; what it returns.
        Raises NotMigratable with what was in the way, JournalError, and what `write` raises.
        """
        hosted = self._hosted
        is_task = hosted.about.get("what", "task") == "task"
        await hosted.beginning(timeout)
        async with hosted.moving:
            hosted.require(State.RUNNING)
            frozen = await hosted.frozen(timeout, is_task, "stop" if is_task else "")
            hosted.require(State.RUNNING)
            runner = hosted.runner
            assert runner is not None
            try:
                await hosted.entry.keep_standing(frozen)
            except BaseException:
                runner.send(protocol.GO_ON, {"error": None})
                hosted.calls.begin(runner)
                raise
            hosted.detach()  # before it dies, which would be a loss
            runner.kill()
            return None if write is None else await write(frozen)
