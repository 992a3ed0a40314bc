"""A runner puts a task together, without starting it; and runners set aside for tasks to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hetmig.errors import TaskLost
from hetmig.node import protocol
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message

__all__ = ["Reservations", "Staging"]

RESERVATION_SECONDS = 30.0
_FOR_RUNNER = ("format", "kind", "python", "portable", "checkpoint", "standby")
"""Of a manifest.  The rest is for people, and the task would stand still while it is read."""


class Staging:
    """One runner's work up to STAGED or REFUSED."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._result: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(
        self, about: dict[str, Any], manifest: dict[str, Any], payload: Sequence[Buffer]
    ) -> None:
        """Let the runner put it together.  Raises ProtocolError for what is too large."""
        header = {
            "about": {name: value for name, value in about.items() if name != "hop"},
            "manifest": {name: manifest[name] for name in _FOR_RUNNER if name in manifest},
        }
        self.runner.exited.add_done_callback(self._exited)
        try:
            self.runner.send(protocol.STAGE, header, payload)
        except BaseException:
            self.give_up()
            raise

    async def done(self) -> None:
        """Wait until it is staged.  Raises the runner's refusal; the runner is killed then."""
        try:
            await self._result
        except BaseException:
            self.give_up()
            raise
        self.runner.exited.remove_done_callback(self._exited)

    def give_up(self) -> None:
        """End the runner: nobody waits for it any more."""
        self.runner.exited.remove_done_callback(self._exited)
        self._result.cancel()
        self.runner.kill()

    def hear(self, message: Message) -> None:
        """The runner said STAGED or REFUSED."""
        if self._result.done():
            return
        if message.kind == protocol.STAGED:
            self._result.set_result(None)
        else:
            self._result.set_exception(protocol.rebuild_error(message.header.get("error")))

    def _exited(self, how: asyncio.Future[Any]) -> None:
        if not self._result.done():
            reason = f"the runner {how.result()} while it unpickled the state"
            self._result.set_exception(TaskLost(reason))


class Reservations:
    """Ready runners which wait for an announced task, but not for long."""

    def __init__(self, give_back: Callable[[Runner], None]) -> None:
        self._give_back = give_back
        self._held: dict[str, tuple[Runner, asyncio.TimerHandle]] = {}
        self._asked_by: dict[str, bytes] = {}

    def hold(self, task: str, runner: Runner, asked_by: bytes = b"") -> None:
        """Set a runner aside; one that was so before is given back.  `asked_by`: a node's key."""
        self.release(task)  # asked again meanwhile: the first answer was long in coming
        loop = asyncio.get_running_loop()
        timer = loop.call_later(RESERVATION_SECONDS, self.release, task)
        self._held[task] = runner, timer
        self._asked_by[task] = asked_by

    def waiting(self, task: str, asked_by: bytes) -> Runner | None:
        """The runner which waits for this task, if that node has asked for it.  It stays."""
        if self._asked_by.get(task) != asked_by:
            return None
        runner, _ = self._held[task]
        return None if runner.exited.done() else runner

    def is_prepared(self, task: str) -> bool:
        """Whether there is a runner for this task that has read its code."""
        return task in self._held and self._held[task][0].is_prepared

    def take(self, task: str) -> Runner | None:
        """The runner set aside for this task, if it is alive."""
        if task not in self._held:
            return None
        runner, timer = self._held.pop(task)
        del self._asked_by[task]
        timer.cancel()
        return None if runner.exited.done() else runner

    def release(self, task: str) -> None:
        """The task does not come: the runner is free for others."""
        if (runner := self.take(task)) is not None:
            self._give_back(runner)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, task: str) -> bool:
        return task in self._held

    def close(self) -> None:
        """Release nothing any more."""
        for _, timer in self._held.values():
            timer.cancel()
