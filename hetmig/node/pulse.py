"""A runner that hangs: its process is there, and nothing in it can run.

A process that was stopped, or is inside C code that keeps the interpreter to itself, answers no
PING.  Its task is "unresponsive" then, and "running" again as soon as anything is heard of it: no
more is done, as it may be at work.  One that has died is known at once, by its parent.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hetmig.node.handoff import State
from hetmig.node.pool import Runner

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted

__all__ = ["Pulse"]

INTERVAL = 1.0
"""Seconds between two questions."""
PATIENCE = 2.5
"""Seconds without an answer after which a runner counts as unresponsive."""


class Pulse:
    """Asks the runners of a node whether they are alive."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._unresponsive: set[Runner] = set()

    async def run(self) -> None:
        """Ask, again and again."""
        while True:
            await asyncio.sleep(INTERVAL)
            asked = time.monotonic()
            there = [found for task in self._node.tasks.values() if (found := _of(task))]
            self._unresponsive &= {runner for _, runner in there}
            for hosted, runner in there:
                self._look(hosted, runner, asked)

    def _look(self, hosted: Hosted, runner: Runner, now: float) -> None:
        silent = 0.0 if runner.asked is None else now - runner.asked
        if silent > PATIENCE and runner not in self._unresponsive:
            self._unresponsive.add(runner)
            hosted.report("pulse", responsive=False)
        elif runner.asked is None and runner in self._unresponsive:
            self._unresponsive.discard(runner)
            hosted.report("pulse", responsive=True)
        runner.ping(now)


def _of(hosted: Hosted) -> tuple[Hosted, Runner] | None:
    """A task that is at work here, and its runner."""
    runner: Any = hosted.runner
    if hosted.handoff.state is not State.RUNNING or not hosted.has_begun:
        return None
    if not isinstance(runner, Runner) or runner.exited.done() or hosted.freeze is not None:
        return None  # a frozen one waits for us, and answers nothing else
    return hosted, runner
