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
        self._doubted: dict[Runner, bool] = {}
        """Those that were unresponsive once, and whether they are; told again at each look, as
        the home node may have missed it: its records move."""

    async def run(self) -> None:
        """Ask, again and again."""
        while True:
            await asyncio.sleep(INTERVAL)
            asked = time.monotonic()
            there = [found for task in self._node.tasks.known() if (found := _of(task))]
            for runner in [known for known in self._doubted if known.exited.done()]:
                del self._doubted[runner]
            for hosted, runner in there:
                self._look(hosted, runner, asked)

    def _look(self, hosted: Hosted, runner: Runner, now: float) -> None:
        silent = 0.0 if runner.asked is None else now - runner.asked
        if silent > PATIENCE:
            self._doubted[runner] = True
        elif runner.asked is None and runner in self._doubted:
            self._doubted[runner] = False
        if runner in self._doubted:
            hosted.report("pulse", responsive=not self._doubted[runner])
        runner.ping(now)


def _of(hosted: Hosted) -> tuple[Hosted, Runner] | None:
    """A task that is at work here, and its runner."""
    runner: Any = hosted.runner
    if hosted.handoff.state is not State.RUNNING or not hosted.has_begun:
        return None
    if not isinstance(runner, Runner) or runner.exited.done() or hosted.freeze is not None:
        return None  # a frozen one waits for us, and answers nothing else
    return hosted, runner
