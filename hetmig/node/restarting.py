"""A task whose node is lost goes on: its warm replica, or at home from its newest checkpoint.

It gets an epoch of a new generation.  Whoever still has a copy from before is told that it is void:
when it reports something, and by a question to the node that was given up, until that answers.
What such a copy has done to files and servers meanwhile has been done.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, JournalError, NoCheckpoint, TaskLost
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.directory import certificate_of
from hetmig.node.events import happened
from hetmig.node.handoff import GENERATION
from hetmig.node.hosted import Hosted
from hetmig.node.record import Record
from hetmig.node.rehoming.deeds import Claim, at_home
from hetmig.node.replicas.taking_over import by_home, newest_at
from hetmig.node.steps import step
from hetmig.state.checkpoint import load, take_out_written
from hetmig.state.manifest import check_python
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Restarting"]

_log = logging.getLogger("hetmig")
_ANSWER_SECONDS = 2.0
_DISK_SECONDS = 1.0


class Restarting:
    """Of the tasks whose home a node is."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._under_way: set[str] = set()

    def give_up(self, record: Record, reason: str) -> None:
        """The task's node is lost: restart the task if it has a checkpoint, else it is lost too."""
        if record.is_closed:
            return  # the one whose it will be finds the same
        if record.checkpoint is None and record.replica is None:
            record.fail("lost", TaskLost(reason))
        elif record.id not in self._under_way:
            self._under_way.add(record.id)
            spawn(self._restarting(record, record.epoch, reason))

    def is_under_way(self, task: str) -> bool:
        """Whether a task is about to go on here."""
        return task in self._under_way

    async def fence(self, record: Record) -> None:
        """Tell the nodes that were given up, if they are back, that their copies are void."""
        for place in list(record.given_up):
            header = {"task": record.id, "epoch": record.fence, "claim": Claim.by(record).header()}
            try:
                link = self._node.directory.link(certificate_of(place))
                await link.request(protocol.FENCE, header, timeout=_ANSWER_SECONDS)
            except HetmigError:
                continue
            header = {"task": record.id, "what": "fenced", "epoch": record.fence, "place": place}
            self._node.report(record.about, header)

    async def _restarting(self, record: Record, epoch: int, reason: str) -> None:
        try:
            await self._restart(record, epoch, reason)
        finally:
            self._under_way.discard(record.id)

    async def _restart(self, record: Record, epoch: int, reason: str) -> None:
        """From the newest that there is, a warm replica or a checkpoint; else from the other."""
        replica = await newest_at(self._node, record)
        saved = record.checkpoint or {}
        age = saved.get("epoch", 0), saved.get("number", 0)
        if record.outcome is not None or record.epoch != epoch:
            return  # it was heard of meanwhile
        if replica is not None and (record.checkpoint is None or replica[0] > age):
            await self._hand_to(record, replica[1], reason)
            return
        parcel = None
        try:
            parcel = await asyncio.to_thread(_newest, record)
            check_python(parcel.manifest)
            if self._node.draining:
                raise TaskLost("its home node is draining and takes no tasks")
        except HetmigError as error:
            if replica is not None and record.epoch == epoch and record.outcome is None:
                await self._hand_to(record, replica[1], reason)
                return
            where = saved.get("where")
            why = f"its checkpoint {where} is no help: {error}" if where else "its replica is gone"
            record.fail("lost", TaskLost(f"{reason}; {why}"))
            return
        if record.outcome is not None or record.epoch != epoch:
            return
        await self._begin(record, parcel)

    async def _hand_to(self, record: Record, events: int, reason: str) -> None:
        """Decide, for good, that the replica is the task now; then its node is told."""
        node, epoch = self._node, (record.epoch // GENERATION + 1) * GENERATION
        assert record.replica is not None
        place = record.replica["place"]
        restarted = _restarted(record, epoch, place, events)
        node.home.report(restarted, ())
        _log.warning("task %s: %s; its replica takes over", record.id, reason)
        spawn(self._told(record, epoch))

    async def _told(self, record: Record, epoch: int) -> None:
        while True:
            try:
                self._node.journal.sync()  # or another one might take over after a crash
                break
            except JournalError as error:
                _log.error("%s", error)
                await asyncio.sleep(_DISK_SECONDS)
        step("replica-decided")
        try:
            await by_home(self._node, record, epoch)
        except HetmigError as error:
            if record.epoch == epoch:
                self.give_up(record, f"its replica can't take over: {error}")

    async def _begin(self, record: Record, parcel: Parcel) -> None:
        node, epoch = self._node, (record.epoch // GENERATION + 1) * GENERATION
        kept = parcel.manifest["task"]
        about = at_home({**kept, "epoch": epoch}, record.about)
        about.pop("mailbox", None)
        if (old := node.tasks.get(record.id)) is not None:
            old.fence(epoch)
        hosted = node.tasks[record.id] = Hosted(node, record.id)
        restarted = _restarted(record, epoch, node.here, kept["events"])
        keep = functools.partial(node.home.keep, restarted, ())
        try:
            await hosted.keep(about, parcel.manifest, parcel.frames, keep)
        except HetmigError as error:
            record.fail("lost", TaskLost(f"it can't be restarted: {error}"))
            return
        parcel = hosted.calls.opened(parcel)
        node.home.report(restarted, ())
        _log.warning("task %s goes on here from %s", record.id, (record.checkpoint or {})["where"])
        self._under_way.discard(record.id)
        await node.placing.begin(hosted, parcel, patient=True)


def _restarted(record: Record, epoch: int, place: dict[str, Any], events: int) -> dict[str, Any]:
    """The report of it."""
    happened("restarted", record.id, epoch, at=place["name"])
    about = {"task": record.id, "what": "restarted", "epoch": epoch, "time": time.time()}
    return {**about, "place": place, "events": events}


def _newest(record: Record) -> Parcel:
    """The task's newest checkpoint.  Its output is left out: the record has it."""
    where = (record.checkpoint or {}).get("where")
    if where is None:
        raise NoCheckpoint("it has none")
    loaded = load(where, lambda series, fingerprint: record.checkpoint_key)
    return take_out_written(loaded.parcel)[0]
