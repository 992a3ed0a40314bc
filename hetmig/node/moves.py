"""What concerns several nodes: finding the task, asking a destination, looking around."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import (
    HetmigError,
    InMotion,
    MigrationRefused,
    NeedsNotMet,
    NodeUnreachable,
    NotMigratable,
    TaskLost,
)
from hetmig.node import protocol
from hetmig.node.administration import end_soon
from hetmig.node.caller import owner_of
from hetmig.node.described import load, needs
from hetmig.node.keys import is_loopback
from hetmig.node.link import Link

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Moves"]

_GRACE_SECONDS = 20.0
"""Beyond a move's own deadlines, for the messages that carry the request and its answer."""
_STATUS_SECONDS = 2.0
_HOME_SECONDS = 3.0
_PLACING = ("labels", "resources", "used", "data", "slots", "count", "policy")
_RESERVE_SECONDS = 10.0
"""At least; the destination may have to find the task's home node first."""


class Moves:
    """Requests that one node cannot answer alone."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def prepare(self, target: str, task: str, timeout: float) -> tuple[Link, dict[str, Any]]:
        """A connection to a destination that takes the task and has a runner ready.

        Raises NodeUnreachable, or MigrationRefused with the destination's reason.
        """
        node = self._node
        link = await node.directory.reach(target, node.about(), timeout)
        node.directory.require_node(link)
        request = {"task": task, "home": node.tasks[task].about["home"]}
        request.update(needs(node.tasks[task]), **node.placing.request(node.tasks[task]))
        seconds = max(timeout, _RESERVE_SECONDS)
        try:
            answer = await link.request(protocol.RESERVE, request, timeout=seconds)
        except NodeUnreachable:
            raise
        except NeedsNotMet:
            raise
        except MigrationRefused as error:
            reason = f"{link.name} refuses the task: {error.reason}"
            raise type(error)(reason, **error.data) from error
        except HetmigError as error:
            raise MigrationRefused(f"{link.name} refuses the task: {error}") from error
        return link, answer.header

    async def require_home(self, home: dict[str, Any]) -> None:
        """Make sure that a task could report from here.  Raises MigrationRefused if it could not.

        A task that comes without this would run, and nobody would ever hear of it.
        """
        node = self._node
        if home == node.here:
            return
        try:
            await node.directory.acquaint(home, node.about(), _HOME_SECONDS)
        except HetmigError as error:
            endpoint = protocol.want(home, "endpoint", str)
            remedy = ""
            if is_loopback(endpoint):
                remedy = "; start that one with --listen at an address which others can reach"
            raise MigrationRefused(
                f"{node.here['name']} cannot report to the task's home node"
                f" {home.get('name')}, {endpoint}: {error}{remedy}"
            ) from error

    async def move(
        self, task: str, target: str, timeout: float, by: str, patience: float | None = None
    ) -> dict[str, Any]:
        """Move a task, wherever it is; the completed hop.  `patience`: see `Hosted.move`."""
        hosted = self._node.tasks.get(task)
        record = self._node.home.records.get(task)
        if hosted is not None and hosted.is_here:
            hop = await hosted.move(target, timeout, by, patience)
        else:
            header = {"task": task, "to": target, "timeout": timeout, "by": by}
            seconds = 2 * timeout + _GRACE_SECONDS
            hop = (await self.forward(task, protocol.MOVE, header, seconds))["hop"]
        if record is not None:
            # The reports say the same; but who asked may look at the journey at once.
            record.hop(hop)
            record.arrived(hop["epoch"], hop["place"])
        return hop

    async def cancel(self, task: str) -> None:
        """End a task, wherever it is."""
        hosted = self._node.tasks.get(task)
        if hosted is None or not await hosted.ending.cancel():
            await self.forward(task, protocol.CANCEL, {"task": task}, _GRACE_SECONDS)

    async def checkpoint(self, header: dict[str, Any]) -> dict[str, Any]:
        """Have a copy of a task kept, by the node it is on; the record of it."""
        task, timeout = protocol.want(header, "task", str), protocol.want(header, "timeout", float)
        hosted = self._node.tasks.get(task)
        if hosted is None or not hosted.is_here:
            asked = {name: value for name, value in header.items() if name != "id"}
            seconds = timeout + protocol.want(header, "patience", float, _GRACE_SECONDS)
            told = await self.forward(task, protocol.CHECKPOINT, asked, seconds)
            return dict(told["checkpoint"])
        return await self._node.checkpoints.take(
            hosted,
            to=protocol.want(header, "to", str, None),
            keep=protocol.want(header, "keep", int, None),
            timeout=timeout,
            stop=protocol.want(header, "stop", bool, False),
        )

    async def replicate(self, header: dict[str, Any]) -> dict[str, Any]:
        """Have a warm copy of a task at another node, or none any more."""
        task, timeout = protocol.want(header, "task", str), protocol.want(header, "timeout", float)
        hosted = self._node.tasks.get(task)
        if hosted is not None and hosted.is_here:
            return await self._node.replicating.replicate(hosted, header)
        asked = {name: value for name, value in header.items() if name != "id"}
        seconds = 2 * timeout + _GRACE_SECONDS
        return dict((await self.forward(task, protocol.REPLICATE, asked, seconds))["replica"])

    async def rehome(self, task: str, target: str, timeout: float) -> dict[str, Any]:
        """Let the record of a task move, wherever its home is; where that is then."""
        node = self._node
        if task in node.home.records:
            return await node.rehoming.rehome(task, target, timeout)
        about, claim = node.about_task(task), node.rehoming.forward(task)
        if about is None or (claim is None and about["home"] == node.here):
            raise TaskLost(f"this node knows no task {task}")
        place = about["home"] if claim is None else claim.home
        link = await node.directory.acquaint(place, node.about(), _HOME_SECONDS)
        header = {"task": task, "to": target, "timeout": timeout, "as": owner_of(about) or ""}
        seconds = timeout + _GRACE_SECONDS
        told = (await link.request(protocol.REHOME, header, timeout=seconds)).header
        return {item: told[item] for item in ("task", "home", "told")}

    async def drain(self, header: dict[str, Any], user: str = "") -> list[dict[str, Any]]:
        """Empty this node or another, or let it take tasks again; what became of its tasks."""
        node = protocol.want(header, "node", str, self._node.here["name"])
        timeout = protocol.want(header, "timeout", float)
        if not self._node.directory.is_here(node):
            link = await self._node.directory.reach(node, self._node.about())
            asked = {name: value for name, value in header.items() if name not in ("id", "node")}
            seconds = timeout + _GRACE_SECONDS
            answer = await link.request(protocol.DRAIN, {**asked, "as": user}, timeout=seconds)
            report: list[dict[str, Any]] = answer.header["report"]
            return report
        if protocol.want(header, "undo", bool, False):
            self._node.drains.undo()
            return []
        ends = protocol.want(header, "shutdown", bool, False)
        report = await self._node.drains.drain(timeout, ends=ends)
        if ends:
            end_soon()
        return report

    async def survey(self) -> list[dict[str, Any]]:
        """Every node known here: its place and, if it answers, its Python and load."""
        places = list(self._node.directory.places.values())
        return list(await asyncio.gather(*map(self._status, places)))

    async def _status(self, place: dict[str, Any]) -> dict[str, Any]:
        node = self._node
        if place["name"] == node.here["name"]:
            known = {**load(node), **node.placing.describe()}
            return {**place, **known, "reachable": True, "latency_s": 0.0}
        try:
            async with asyncio.timeout(_STATUS_SECONDS):
                link = await node.directory.reach(place["name"], node.about())
            asked = time.monotonic()
            answer = await link.request(protocol.STATUS, {}, timeout=_STATUS_SECONDS)
            latency = time.monotonic() - asked
        except (HetmigError, TimeoutError):
            return {**place, "python": None, "tasks": None, "draining": None, "reachable": False}
        state = {item: answer.header[item] for item in ("python", "tasks", "draining")}
        told = {"runners": answer.header.get("runners"), "memory": answer.header.get("rss")}
        told.update({item: answer.header.get(item) for item in _PLACING})
        return {**place, **state, **told, "reachable": True, "latency_s": latency}

    def importable(self, modules: list[Any]) -> list[str]:
        """Which of these top-level modules can be imported here, without importing them."""
        found = []
        for name in modules:
            if not (isinstance(name, str) and name.isidentifier()):
                continue
            # The runners get the same path as we have.
            if name in sys.modules or importlib.util.find_spec(name) is not None:
                found.append(name)
        return found

    async def forward(
        self, task: str, kind: str, header: dict[str, Any], timeout: float
    ) -> dict[str, Any]:
        """Ask the node that has the task.  Raises TaskLost if nothing is known of it."""
        place = self._place_of(task)
        if self._node.directory.is_here(place["name"]):
            raise InMotion("the task is between two nodes just now")
        self._node.directory.learn(place)
        link = await self._node.directory.reach(place["endpoint"], self._node.about())
        # Who asked us may do this: that was seen here.
        header = {**header, "as": owner_of(self._node.about_task(task) or {}) or ""}
        return (await link.request(kind, header, timeout=timeout)).header

    def _place_of(self, task: str) -> dict[str, Any]:
        """Where a task that is not here was last heard of.  Raises TaskLost or NotMigratable."""
        record, hosted = self._node.home.records.get(task), self._node.tasks.get(task)
        if record is not None and record.outcome is not None:
            raise NotMigratable("the task has ended")
        places: list[tuple[int, dict[str, Any]]] = []
        if record is not None:
            places.append((record.epoch, record.place))
        if hosted is not None:
            # Without a forward address it is just arriving: nowhere else, and not yet here.
            places.append((hosted.handoff.newest, hosted.forward or self._node.here))
        claim = self._node.rehoming.forward(task)
        if claim is not None and not (hosted is not None and hosted.is_known):
            return claim.home  # which knows better
        if not places:
            raise TaskLost(f"this node knows no task {task}")
        return max(places, key=lambda known: known[0])[1]
