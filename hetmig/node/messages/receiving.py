"""A task asks its node for its messages: it gets some ahead of need, or waits for one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError
from hetmig.node.answers import Told
from hetmig.node.protocol import want
from hetmig.state.manifest import make_manifest
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted
    from hetmig.node.mailbox import Call
    from hetmig.node.pool import Runner

__all__ = ["receive", "sender_of"]

_LONGEST_POLL = 5.0
_MOST, _MOST_BYTES = 64, 1 << 20
"""Messages given at once: they are then in the process, and travel twice if the task moves."""


async def receive(hosted: Hosted, runner: Runner, header: dict[str, Any]) -> Told | None:
    """The messages after those that the task has; None if it is not in this runner any more.

    While it is frozen it is given none: it may have moved when they arrive.
    """
    given = want(header, "given", int)
    until = time.monotonic() + max(0.0, min(want(header, "seconds", float), _LONGEST_POLL))
    calls = hosted.calls
    calls.taken(want(header, "received", int))
    while hosted.runner is runner:
        found = calls.given_to(runner, given, _MOST, _MOST_BYTES)
        remaining = until - time.monotonic()
        if found or remaining <= 0:
            return _told(given, found)
        await calls.change(remaining)
    return None


def sender_of(hosted: Hosted) -> dict[str, Any]:
    """How the receiver of a message knows the task that has sent it."""
    about = hosted.about
    return {"id": hosted.id, "name": about["name"], "home": about["home"]}


def vouched(header: Mapping[str, Any], by_node: bool) -> dict[str, Any]:
    """A request without what only a node may say: which task has sent it."""
    return {name: value for name, value in header.items() if by_node or name != "from"}


def of_runner(tasks: Mapping[str, Hosted], runner: Runner) -> Hosted:
    """The task that runs there.  Raises HetmigError."""
    for hosted in tasks.values():
        if hosted.runner is runner:
            return hosted
    raise HetmigError("the task that asks is not on this node any more")


def _told(given: int, found: list[Call]) -> Told:
    described, frames = [], []
    for call in found:
        about = {**call.header, "sender": call.sender, "n": call.number}
        described.append({**about, "frames": len(call.frames)})
        frames += [memoryview(frame) for frame in call.frames]
    header = {"given": given, "messages": described}
    manifest = make_manifest("value", [], len(frames))
    return header, Parcel(manifest, frames, True) if frames else None
