"""Pre-copy between two nodes: before a task is frozen, its code goes ahead to the destination.

No part of the handoff: it may be lost, come late or be of no use, and then the move takes longer.
The source asks the task's runner which code it stands in, and the runner which the destination has
set aside for it reads that, and imports what it needs, while the task runs on.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, ProtocolError
from hetmig.node import protocol
from hetmig.node.link import Link
from hetmig.node.pool import Runner
from hetmig.node.protocol import Message, want
from hetmig.state.manifest import same_minor, this_python

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted

__all__ = ["Precopying", "precopy"]

_TOLD_SECONDS = 1.0
"""A runner says nothing for so long if its task is in C code that lets no other thread run."""
_READY_SECONDS = 2.0
"""For which the source waits for the destination's imports; the rest of them it does not await."""
_LONGEST_SECONDS = 10.0
_OF_TASK = ("id", "name", "argv", "file", "events", "files", "logging", "terminal")
"""What a runner must know of a task before it imports anything for it."""


class Precopying:
    """The source's part, for all tasks of a node."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}

    async def send(
        self, hosted: Hosted, link: Link, welcome: dict[str, Any], timeout: float
    ) -> bool:
        """Have the destination get ready for a task that runs here; whether or not that works.

        Whether it promised to be quick.
        """
        runner = hosted.runner
        if not isinstance(runner, Runner) or not same_minor(welcome["python"], this_python()):
            return False
        prepared = await self._prepared(runner, min(_TOLD_SECONDS, timeout / 4))
        if prepared is None or not (prepared.header["modules"] or prepared.payload
                                    or prepared.header["places"]):  # fmt: skip
            return False
        header = {name: prepared.header[name] for name in ("modules", "places")}
        header["about"] = {name: hosted.about.get(name) for name in _OF_TASK}
        header.update(task=hosted.id, python=this_python())
        seconds = min(_READY_SECONDS, timeout / 4)
        with contextlib.suppress(HetmigError):
            request = link.request(protocol.PRECOPY, header, prepared.payload, timeout=seconds)
            answer = await request
            return bool(want(answer.header, "quick", bool, False))
        return False

    async def _prepared(self, runner: Runner, seconds: float) -> Message | None:
        """What the runner says; None if it takes too long."""
        number = next(self._numbers)
        told = self._waiting[number] = asyncio.get_running_loop().create_future()
        runner.send(protocol.PREPARE, {"request": number})
        runner.ask()
        try:
            await asyncio.wait([told, runner.exited], timeout=seconds,
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            return told.result() if told.done() else None
        finally:
            del self._waiting[number]

    def heard(self, message: Message) -> None:
        """A runner said PREPARED."""
        told = self._waiting.get(want(message.header, "request", int))
        if told is not None and not told.done():
            told.set_result(message)


async def precopy(node: Node, message: Message) -> tuple[dict[str, Any], list[Any]]:
    """The destination's part: hand it to the runner that waits for this task."""
    task, python = want(message.header, "task", str), want(message.header, "python", dict)
    if not same_minor(python, this_python()):
        raise ProtocolError("code is sent ahead between the same minor versions of Python only")
    runner = node.reservations.waiting(task, message.user)
    if runner is None:
        return {}, []
    ready = asyncio.get_running_loop().create_future()

    def heard(said: Message) -> None:
        if said.kind == protocol.PRECOPIED and not ready.done():
            runner.is_prepared = True
            ready.set_result(None)

    runner.on_message, runner.is_fresh = heard, False
    header = {
        "about": want(message.header, "about", dict),
        "modules": want(message.header, "modules", list),
        "places": want(message.header, "places", list),
    }
    runner.send(protocol.PRECOPY, header, message.payload)
    await asyncio.wait([ready, runner.exited], timeout=_LONGEST_SECONDS,
                       return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
    # a disk that is full is better known before the task is committed to it than after
    return {"quick": node.journal.has_room() and node.is_prepared(task)}, []
