"""The node that has a task sends copies of it to the node of its replica, again and again.

The task goes on meanwhile: it stands still for the capture, as for a checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import AlreadyThere, HetmigError, InMotion, NotMigratable
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.checkpoints import settings_of
from hetmig.node.directory import certificate_of
from hetmig.node.freezing import manifest_of
from hetmig.node.protocol import Message, place_of, want
from hetmig.state.checkpoint import seal_checkpoint

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted

__all__ = ["Sending"]

_log = logging.getLogger("hetmig")
_SHORTEST_EVERY = 0.05
_SECONDS = 10.0
_DROP_SECONDS = 2.0


class Sending:
    """What a node does for the replicas of the tasks that are on it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def replicate(self, hosted: Hosted, header: dict[str, Any]) -> dict[str, Any]:
        """Have a replica from now on, at `to`, or none; the first copy is there then.

        Raises NotMigratable, MigrationRefused or NodeUnreachable with what is in the way.
        """
        to, timeout = want(header, "to", str, None), want(header, "timeout", float)
        before = hosted.about.get("replica")
        if to is None:
            hosted.about["replica"] = None
            hosted.entry.record()
            await self._drop(hosted, before)
            return {}
        if hosted.about.get("what", "task") != "task":
            raise NotMigratable(
                f"{hosted.about['name']} is no task but an {hosted.about['what']}: it has answered "
                "calls since each copy, which the copy would know nothing of"
            )
        if self._node.directory.is_here(to):
            raise AlreadyThere(f"the task is on {self._node.here['name']} itself")
        link = await self._node.directory.reach(to, self._node.about(), timeout)
        self._node.directory.require_node(link)
        place = place_of(link.peer)
        every = max(want(header, "every", float), _SHORTEST_EVERY)
        settings = {"place": place, "every": every}
        told = await self._send(hosted, place, timeout)
        hosted.about["replica"] = settings
        hosted.entry.record()
        if before is not None and before["place"] != place:
            await self._drop(hosted, before)
        if before is None or before["every"] != every:
            self.begun(hosted)
        return told

    def begun(self, hosted: Hosted) -> None:
        """A task begins on this node, or goes on here."""
        if hosted.about.get("replica") is not None:
            spawn(self._again_and_again(hosted, hosted.about["replica"]["every"]))

    def ended(self, hosted: Hosted) -> None:
        """The task has ended here."""
        if (settings := hosted.about.get("replica")) is not None:
            spawn(self._drop(hosted, settings))

    async def _drop(self, hosted: Hosted, settings: dict[str, Any] | None) -> None:
        """The replica is not wanted any more; its node asks by itself if it does not hear it."""
        header = {"task": hosted.id, "what": "replica", "epoch": hosted.handoff.owned}
        number = _next_number(hosted)
        self._node.report(hosted.about, {**header, "n": number, "replica": None})
        if settings is None or settings["place"] == self._node.here:
            return
        link = self._node.directory.link(certificate_of(settings["place"]))
        try:
            header = {"task": hosted.id, "drop": True}
            await link.request(protocol.REPLICA, header, timeout=_DROP_SECONDS)
        except HetmigError as error:
            _log.info("the replica of task %s is not dropped: %s", hosted.id, error)

    async def _again_and_again(self, hosted: Hosted, every: float) -> None:
        owned = hosted.handoff.owned
        while True:
            await asyncio.sleep(every)
            settings = hosted.about.get("replica")
            if not hosted.is_here or hosted.handoff.owned != owned or settings is None:
                return
            if settings["every"] != every:
                return  # another one does it since
            if settings["place"] == self._node.here:
                continue
            try:
                await self._send(hosted, settings["place"], min(_SECONDS, max(every, 1.0)))
            except InMotion:
                continue
            except HetmigError as error:
                _log.info("no copy of task %s for its replica: %s", hosted.id, error)

    async def _send(self, hosted: Hosted, place: dict[str, Any], timeout: float) -> dict[str, Any]:
        begun = time.monotonic()

        async def write(frozen: Message) -> dict[str, Any]:
            return await self._written(hosted, frozen, place, timeout)

        told = await hosted.saving.save(timeout, False, write)
        return {**told, "total_s": time.monotonic() - begun}

    async def _written(
        self, hosted: Hosted, frozen: Message, place: dict[str, Any], timeout: float
    ) -> dict[str, Any]:
        node, epoch, number = self._node, hosted.handoff.owned, _next_number(hosted)
        events = want(frozen.header, "events", int)
        about = {**hosted.about, "events": events, "epoch": epoch}
        entry = {"epoch": epoch, "number": number, "time": time.time(), "series": hosted.id}
        record = node.home.records.get(hosted.id)
        pieces = [] if record is None else record.output.unseen(events)
        link = await node.directory.reach(place["endpoint"], node.about(), timeout)
        key = bytes.fromhex(link.peer["session"])
        manifest = manifest_of(frozen, about)
        wire = await asyncio.to_thread(
            seal_checkpoint, manifest, frozen.payload, key, entry, pieces
        )
        header = {"task": hosted.id, "source": node.here}
        answer = await link.request(protocol.REPLICA, header, wire, timeout=max(timeout, _SECONDS))
        kept = {"place": place, "epoch": epoch, "number": number, "time": entry["time"]}
        kept["warm"] = want(answer.header, "warm", bool, True)
        report = {"task": hosted.id, "what": "replica", "epoch": epoch, "n": number}
        node.report(hosted.about, {**report, "replica": kept})
        frozen_s = frozen.header.get("freeze_s", 0.0)
        return {**kept, "bytes": sum(memoryview(f).nbytes for f in wire), "freeze_s": frozen_s}


def _next_number(hosted: Hosted) -> int:
    """Copies and checkpoints are counted together: so one can tell which is newer."""
    settings: dict[str, Any] = hosted.about.setdefault("checkpoint", settings_of({}))
    settings["number"] += 1
    return int(settings["number"])
