"""Parts of divided loops, as the nodes see them: tasks whose end another task waits for.

The home node of a part answers for its outcome, and ends it when the task it is a part of is no
more.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import DivisionRefused, HetmigError, InMotion, NoSuchObject, TaskLost
from hetmig.node import protocol, remote
from hetmig.node.background import spawn
from hetmig.node.caller import Caller
from hetmig.node.protocol import Buffer, Message, want
from hetmig.node.rights import require_control
from hetmig.state.manifest import make_manifest
from hetmig.state.parcel import Parcel, seal

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted

__all__ = ["HANDLERS", "divide_here", "divided", "watch", "watch_all"]

_LONGEST_POLL = 10.0
_LOOK_SECONDS = 2.0
_GRACE_SECONDS = 10.0
_ENDED = ("done", "failed", "cancelled", "lost", "deleted")

Told = tuple[dict[str, Any], Parcel | None]


# Outcomes -------------------------------------------------------------------------------------


async def outcome(node: Node, message: Message) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """Another node asks what became of a part whose home is here."""
    told, parcel = await _outcome(node, message.header, message.caller)
    key = node.reception.session(message.user)
    return told, () if parcel is None else seal(parcel.manifest, parcel.frames, key)


async def _outcome(node: Node, header: dict[str, Any], caller: Caller) -> Told:
    task, home = want(header, "task", str), want(header, "home", dict)
    record = node.home.records.get(task)
    if record is None:
        if home == node.here or want(header, "ways", int, 0):
            raise NoSuchObject(f"nothing is known of part {task}")
        asked = {**header, "ways": 1, "as": caller.key}
        return await remote.forward(node, home, protocol.OUTCOME, asked, None)
    require_control(protocol.OUTCOME, caller, record.about)
    until = asyncio.get_running_loop().time() + min(want(header, "seconds", float), _LONGEST_POLL)
    while record.outcome is None:
        remaining = until - asyncio.get_running_loop().time()
        if remaining <= 0:
            return {"state": "running"}, None
        await record.news(1 << 62, record.version, remaining)
    return _told(record)


def _told(record: Any) -> Told:
    end = record.outcome
    if not end.ok or record.output.lacks_some:
        reason = end.traceback or str((end.error or {}).get("message", "its output is too long"))
        return {"state": "failed", "reason": reason}, None
    manifest = make_manifest(end.kind, [], len(end.frames), portable=end.portable)
    manifest["python"] = end.python
    output = [
        [stream, piece.decode("utf-8", "replace")] for _, stream, piece in record.output.pieces
    ]
    frames = [memoryview(frame) for frame in end.frames]
    return {"state": "done", "output": output}, Parcel(manifest, frames, True)


async def _places(node: Node, header: dict[str, Any], caller: Caller) -> Told:
    """Where there is room: the other nodes, those first that have least to do."""
    found = [
        place
        for place in await node.moves.survey()
        if place["reachable"] and not place["draining"] and place["name"] != node.here["name"]
    ]
    found.sort(key=lambda place: (place["tasks"], place["name"]))
    return {"places": [place["name"] for place in found]}, None


remote.OF_TASKS.update({protocol.OUTCOME: _outcome, protocol.PLACES: _places})


# The end of the task whose part it is ---------------------------------------------------------


def watch(node: Node, about: dict[str, Any]) -> None:
    """End this part, or what is bound to a task, if that task is no more."""
    if about.get("part") or about.get("bound"):
        spawn(_watch(node, about))


def watch_all(node: Node) -> None:
    """The same for all that a restarted node knows of."""
    for record in node.home.records.values():
        if record.outcome is None:
            watch(node, record.about)


async def _watch(node: Node, about: dict[str, Any]) -> None:
    record, part = node.home.records[about["id"]], about.get("part") or about["bound"]
    while record.outcome is None and not await _is_over(node, part):
        await record.news(1 << 62, record.version, _LOOK_SECONDS)
    while record.outcome is None:
        try:
            await node.moves.cancel(about["id"])
        except InMotion:
            await asyncio.sleep(0.1)
        except HetmigError:
            return


async def _is_over(node: Node, part: dict[str, Any]) -> bool:
    """Whether a task has ended, as far as can be told."""
    of = node.home.records.get(part["of"])
    if of is not None:
        if of.outcome is None:
            await of.news(1 << 62, of.version, _LOOK_SECONDS)
        return of.outcome is not None
    if part["home"] == node.here:
        return True
    try:
        header = {"task": part["of"], "home": part["home"], "as": node.here["key"]}
        told, _ = await remote.forward(node, part["home"], protocol.WHERE, header, None)
    except TaskLost:
        return True
    except HetmigError:
        return False  # nobody knows: it may be back
    return told["task"]["state"] in _ENDED


# Requests to divide ---------------------------------------------------------------------------

_numbers = itertools.count(1)
_waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}


async def divide(node: Node, message: Message) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """Divide a loop of a task, wherever it runs, at its next iteration."""
    header, task = message.header, want(message.header, "task", str)
    node.require_control(message, task)
    timeout = want(header, "timeout", float)
    hosted = node.tasks.get(task)
    if hosted is None or not hosted.is_here:
        asked = {name: value for name, value in header.items() if name != "id"}
        told = await node.moves.forward(task, protocol.DIVIDE, asked, timeout + _GRACE_SECONDS)
        return {"parts": told["parts"]}, ()
    parts, to = want(header, "parts", int), want(header, "to", list)
    if parts < 2 or not all(isinstance(name, str) for name in to):
        raise DivisionRefused(f"a loop is divided into two parts or more, not into {parts}")
    for name in to:
        if not node.directory.is_here(name):
            await node.directory.reach(name, node.about())
    return {"parts": await divide_here(hosted, parts, to, timeout)}, ()


async def divide_here(hosted: Hosted, parts: int, to: list[str], timeout: float) -> int:
    """Divide a loop of a task that runs here; into how many parts.  For placement policies, too.

    Without `to`, the parts go to the nodes that have least to do.  Raises DivisionRefused.
    """
    if hosted.runner is None or not hosted.is_running or hosted.about.get("what") == "actor":
        raise DivisionRefused("this is no task with a loop that runs here")
    runner, number = hosted.runner, next(_numbers)
    answer = _waiting[number] = asyncio.get_running_loop().create_future()
    try:
        runner.send(protocol.DIVIDE, {"number": number, "parts": parts, "to": to})
        runner.ask()
        async with asyncio.timeout(timeout):
            told = await answer
    except TimeoutError:
        runner.send(protocol.DIVIDE, {"number": number, "parts": 0, "to": []})
        runner.ask()
        raise DivisionRefused(
            f"no loop over hetmig.divisible(...) came to its next iteration within {timeout:g} s"
        ) from None
    finally:
        del _waiting[number]
    if told["error"] is not None:
        raise protocol.rebuild_error(told["error"])
    return int(told["count"])


def divided(message: Message) -> None:
    """A runner tells what became of such a request."""
    answer = _waiting.get(want(message.header, "number", int))
    if answer is not None and not answer.done():
        answer.set_result(message.header)


HANDLERS = {protocol.OUTCOME: outcome, protocol.DIVIDE: divide}
