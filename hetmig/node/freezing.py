"""A request to freeze a task, while it is under way, and what a frozen task says of itself."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from hetmig.errors import HetmigError, NotMigratable, ProtocolError
from hetmig.interpreter.safepoint import SIGNAL
from hetmig.node import protocol
from hetmig.node.pool import Runner
from hetmig.node.protocol import Message, want
from hetmig.state.manifest import make_manifest, this_python
from hetmig.state.parcel import seal

__all__ = [
    "Freeze", "checked_record", "describe_hop", "foreseen_hop", "manifest_of", "sealed", "stood_at",
]  # fmt: skip

_ARRIVAL_SECONDS = 0.001
"""The request has arrived by then: a task that is knocked at before would stand still to wait."""
_KNOCK_SECONDS = 0.03
"""A runner that did not react to the signal of a freeze gets another after this time."""

_ASK_SECONDS = 0.25
"""One that has not reacted for so long is in C code that looks at no signals: another of its
threads is to say which."""

_SLEEPING = re.compile(r"hetmig[/\\]node[/\\]sleeping\.py$")
"""`time.sleep` of a task; the path may be that of another machine."""

_RECORD = {"id": str, "name": str, "epoch": int, "events": int, "hops": int, "home": dict}


class Freeze:
    """A request to freeze, under way."""

    _last = 0

    def __init__(self) -> None:
        type(self)._last += 1
        self.request = self._last
        self.is_noticed = False
        """Whether the runner has said anything."""
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[Message] = self._loop.create_future()
        self._word: asyncio.Future[None] = self._loop.create_future()
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the request."""
        return time.monotonic() - self._began

    async def of(self, runner: Runner, timeout: float, portable: bool, keep: str = "") -> Message:
        """Ask the runner to freeze its task, and knock until it has noticed.

        `portable`: in the form that every version of Python can read.  `keep`: it is for a
        checkpoint, "copy" if the task goes on at once, "stop" if it stands still until it is told.
        Raises NotMigratable with what was in the way at the deadline.
        """
        asked = {"request": self.request, "deadline": timeout, "portable": portable, "keep": keep}
        runner.send(protocol.FREEZE, asked)
        await self._heard_within(_ARRIVAL_SECONDS)
        while not (self.is_noticed or self._result.done() or self.age > timeout):
            runner.interrupt(SIGNAL)
            if self.age > min(_ASK_SECONDS, timeout / 2):
                runner.ask()
            await self._heard_within(_KNOCK_SECONDS)
        # the runner's own deadline comes first
        while not self._result.done() and (remaining := timeout + 1 - self.age) > 0:
            await self._heard_within(remaining)
        if self._result.done():
            return self._result.result()
        raise NotMigratable(
            "the main thread is inside C code that does not return and lets no other thread run"
        )

    async def _heard_within(self, seconds: float) -> None:
        """Wait for a word of the runner's, at most for so long."""
        # `asyncio.wait` takes two more turns of the loop, while the task may stand still
        word = self._word = self._loop.create_future()
        timer = self._loop.call_later(seconds, _settle, word)
        try:
            await word
        finally:
            timer.cancel()

    def hear(self, message: Message) -> None:
        """The runner has noticed, has frozen the task, or cannot."""
        self.is_noticed = True
        if message.kind in (protocol.FROZEN, protocol.SNAPSHOT) and not self._result.done():
            message.header["requested"] = self._began
            self._result.set_result(message)
        elif message.kind == protocol.DECLINED:
            self.fail(protocol.rebuild_error(message.header.get("error")))
        _settle(self._word)

    def fail(self, error: HetmigError) -> None:
        """There is nothing to wait for any more."""
        if not self._result.done():
            self._result.set_exception(error)
        _settle(self._word)


def _settle(word: asyncio.Future[None]) -> None:
    if not word.done():
        word.set_result(None)


def checked_record(manifest: dict[str, Any], task: str, epoch: int) -> dict[str, Any]:
    """The task's record out of a manifest.  Raises ProtocolError."""
    record = want(manifest, "task", dict)
    for item, kind in _RECORD.items():
        want(record, item, kind)
    if record["id"] != task or record["epoch"] != epoch:
        raise ProtocolError("the parcel is of another task or attempt than the offer says")
    checked: dict[str, Any] = record
    return checked


def sealed(
    frozen: Message, about: dict[str, Any], epoch: int, key: bytes
) -> list[bytes | memoryview]:
    """A frozen task as the parcel of this attempt.  Raises ProtocolError."""
    about = {**about, "epoch": epoch, "hops": about["hops"] + 1}
    about["events"] = want(frozen.header, "events", int)
    return seal(manifest_of(frozen, about), frozen.payload, key)


def manifest_of(frozen: Message, about: dict[str, Any]) -> dict[str, Any]:
    """What a frozen task says of itself, with this record.  Raises ProtocolError."""
    header = frozen.header
    if "manifest" in header:  # it was frozen elsewhere, by a Python of its own
        return {**want(header, "manifest", dict), "task": about}
    description, kind = want(header, "description", list), want(header, "kind", str)
    portable = want(header, "portable", bool, False)
    return make_manifest(kind, description, len(frozen.payload), about, portable=portable)


def stood_at(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the innermost frame stood; in `time.sleep`, which is ours in a task, who called it."""
    own = [frame for frame in frames if not _SLEEPING.search(frame.get("file", ""))]
    innermost = (own or frames or [{}])[-1]
    return {
        "function": innermost.get("function", ""),
        "file": innermost.get("file", ""),
        "line": innermost.get("line", 0),
    }


def foreseen_hop(source: str, welcome: dict[str, Any], requested_by: str) -> dict[str, Any]:
    """The record of a hop before the task is frozen, should nobody live to tell more of it."""
    return {**_hop(source, welcome, requested_by, []), "start_time": time.time(), "foreseen": True}


def describe_hop(
    frozen: Message, source: str, welcome: dict[str, Any], requested_by: str
) -> dict[str, Any]:
    """The record of a hop, as far as the frozen state tells."""
    header = frozen.header
    return {
        **_hop(source, welcome, requested_by, header["description"]),
        "start_time": time.time() - (time.monotonic() - header["started"]),
        "wait_s": max(header["started"] - header.get("requested", header["started"]), 0.0),
    }


def _hop(
    source: str, welcome: dict[str, Any], requested_by: str, frames: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "source": source,
        "destination": welcome["name"],
        "requested_by": requested_by,
        "wait_s": 0.0,
        "bytes": 0,
        "frames": len(frames),
        **stood_at(frames),
        "source_python": this_python(),
        "destination_python": welcome["python"],
    }
