"""Bring a request to a task that is not here, by its location policy, and learn where it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hetmig.errors import HetmigError, InMotion, NodeUnreachable, NoSuchTask, NotHere
from hetmig.node import protocol
from hetmig.node.directory import certificate_of
from hetmig.node.location import Known, LocationPolicy, Place, Places, policy_named
from hetmig.node.protocol import Buffer, Message, want
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted

__all__ = ["FORWARD_SECONDS", "Finding", "at", "locate"]

FORWARD_SECONDS = 600.0
"""For so long a node keeps the address to which a task has left it."""
_SEARCH_SECONDS = 2.0

Told: TypeAlias = tuple[dict[str, Any], Parcel | None]
Forward: TypeAlias = Callable[["Node", Place, str, dict[str, Any], Parcel | None], Awaitable[Told]]


def at(node: Node, hosted: Hosted, header: dict[str, Any]) -> dict[str, Any]:
    """What the node that has a task adds to its answer: where that is, and how one came there."""
    place = {"place": node.here, "epoch": hosted.handoff.epoch}
    place["policy"] = hosted.about.get("location")
    return {"at": place, "ways": want(header, "ways", int, 0)}


async def locate(node: Node, message: Message) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """Another node searches for a task.  Raises NotHere."""
    hosted = node.tasks.get(want(message.header, "task", str))
    if hosted is None or not hosted.is_here:
        raise NotHere("the task is not on this node")
    return {"epoch": hosted.handoff.epoch}, ()


class Finding:
    """The location policy of a node, and what it has learnt."""

    def __init__(self, node: Node, forward: Forward) -> None:
        self.places = Places()
        self.policy: LocationPolicy = policy_named("home")
        """Of tasks that were submitted without one."""
        self.detours = 0
        """Messages which did not find their task where it was looked for first."""
        self._node = node
        self._forward = forward

    async def told(
        self, hosted: Hosted | None, kind: str, header: dict[str, Any], parcel: Parcel | None
    ) -> Told:
        """The answer of the node that has the task.

        Raises what it raises; InMotion if it is between two nodes; NotHere to another node.
        """
        task = want(header, "task", str)
        sight = _Sight(self, self._node, task, hosted, want(header, "home", dict, None))
        if sight.home == self._node.here:
            raise NoSuchTask(f"nothing is known here of the task {task}", task=task)
        policy = self._policy_for(task, hosted)
        if header["ways"] == 1:
            return await self._sought(task, policy, sight, (kind, header, parcel))
        place = policy.onward(sight)
        if place is None:
            raise NotHere(f"the task {task} is not on {self._node.here['name']}")
        return self._learnt(task, await self._forward(self._node, place, kind, header, parcel))

    async def _sought(
        self,
        task: str,
        policy: LocationPolicy,
        sight: _Sight,
        request: tuple[str, dict[str, Any], Parcel | None],
    ) -> Told:
        tried: list[Place] = []
        silent: NodeUnreachable | None = None
        async for place in self._ways(task, policy, sight):
            if place is None or place in tried or place == self._node.here:
                continue
            tried.append(place)
            try:
                told = await self._forward(self._node, place, *request)
            except NotHere:
                self.places.forget(task, place)
            except NodeUnreachable as error:
                self.places.forget(task, place)
                silent = error
            else:
                told = self._learnt(task, told)
                told[0]["detour"] = len(tried) > 1 or want(told[0], "ways", int, 1) > 1
                self.detours += told[0]["detour"] and request[0] == protocol.SEND
                return told
        if not tried:
            raise NoSuchTask(f"nothing is known here of the task {task}", task=task)
        raise silent or InMotion("the task is between two nodes just now")

    async def _ways(
        self, task: str, policy: LocationPolicy, sight: _Sight
    ) -> AsyncIterator[Place | None]:
        known = self.places.get(task)
        if known is not None:
            if not self.is_gone(known.place):
                yield known.place
            else:
                self.places.forget(task)
        async for place in policy.ways(sight):
            # A home node that is gone may be back; anything else there is to be known through it.
            if place is not None and (place == sight.home or not self.is_gone(place)):
                yield place

    def is_gone(self, place: Place) -> bool:
        """Whether the connection to a node has broken, so that nobody needs to wait for it."""
        try:
            return self._node.directory.link(certificate_of(place)).is_broken
        except HetmigError:
            return True

    def _policy_for(self, task: str, hosted: Hosted | None) -> LocationPolicy:
        known = self.places.get(task)
        name = known.policy if known else hosted.about.get("location") if hosted else None
        return self.policy if name is None else policy_named(name)

    def _learnt(self, task: str, told: Told) -> Told:
        found = want(told[0], "at", dict, None)
        if found is not None:
            place, policy = want(found, "place", dict), want(found, "policy", str, None)
            self.places.learn(task, Known(place, want(found, "epoch", int), policy))
        return told


class _Sight:
    """What this node sees of a task that is not on it."""

    def __init__(
        self, finding: Finding, node: Node, task: str, hosted: Hosted | None, home: Place | None
    ) -> None:
        self._finding, self._node, self._task, self._hosted = finding, node, task, hosted
        about = node.about_task(task)
        self.home: Place | None = about["home"] if about else home

    @property
    def forward(self) -> Place | None:
        known, hosted = self._finding.places.get(self._task), self._hosted
        left_at = None if hosted is None else hosted.calls.left_at
        if hosted is None or left_at is None or hosted.forward is None:
            return known and known.place
        if known is not None and known.epoch >= hosted.handoff.newest:
            return known.place
        return hosted.forward if time.monotonic() - left_at < FORWARD_SECONDS else None

    async def search(self) -> Place | None:
        directory = self._node.directory
        places = [directory.places[name] for name in directory.others()]
        found = await asyncio.gather(*map(self._asked, places))
        return max(found, key=lambda one: one[0], default=(0, None))[1]

    async def _asked(self, place: Place) -> tuple[int, Place | None]:
        node = self._node
        try:
            if self._finding.is_gone(place):
                return 0, None
            link = await node.directory.acquaint(place, node.about(), _SEARCH_SECONDS)
            asked = {"task": self._task}
            answer = await link.request(protocol.LOCATE, asked, timeout=_SEARCH_SECONDS)
            return want(answer.header, "epoch", int), place
        except HetmigError:
            return 0, None
