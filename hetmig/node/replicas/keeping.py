"""The node of a replica: it keeps the newest copy of a task, put together in a waiting runner.

The copy never starts by itself: the task's home has to say so, or a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, NotMigratable, TaskLost
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.directory import certificate_of
from hetmig.node.freezing import checked_record
from hetmig.node.hosted import Hosted
from hetmig.node.pool import Runner
from hetmig.node.protocol import Message, place_of, want
from hetmig.node.rehoming.deeds import Claim, at_home
from hetmig.node.rehoming.residents import require
from hetmig.node.steps import step
from hetmig.state.checkpoint import take_out_written
from hetmig.state.manifest import check_python
from hetmig.state.parcel import Parcel, open_sealed

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Replica", "Replicas"]

_log = logging.getLogger("hetmig")
_LOOK_SECONDS = 5.0
_ANSWER_SECONDS = 2.0


@dataclass
class Replica:
    """One copy."""

    about: dict[str, Any]
    parcel: Parcel
    pieces: Sequence[tuple[str, bytes]]
    """Output that nobody may have seen, up to where the copy was made."""
    epoch: int
    number: int
    source: dict[str, Any]
    """The place where the task was."""
    hosted: Hosted
    runner: Runner | None = None
    """Where it waits; None if it can only be put together once the task is lost."""
    will: list[str] = field(default_factory=list)
    """Deeds of the task, from its home: what a person needs who makes this node its home."""

    @property
    def age(self) -> tuple[int, int]:
        """What tells copies and checkpoints apart: the greater, the newer."""
        return self.epoch, self.number


class Replicas:
    """All that are on one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._kept: dict[str, Replica] = {}
        self._beginning: dict[str, asyncio.Lock] = {}
        """Of replicas that take over just now: who asks once more waits for the answer."""

    def find(self, task: str) -> Replica:
        """Raises TaskLost if there is none."""
        if (found := self._kept.get(task)) is None:
            raise TaskLost(f"{self._node.here['name']} has no replica of task {task}")
        return found

    def all(self) -> list[Replica]:
        """Each task's newest copy."""
        return list(self._kept.values())

    async def asked(self, message: Message) -> dict[str, Any]:
        """A copy comes; or what is there is asked for, or to be dropped."""
        task = want(message.header, "task", str)
        if message.payload:
            return await self._take_in(task, message)
        found = self._kept.get(task)
        if found is None:
            return {"age": None}
        if want(message.header, "drop", bool, False):
            if message.user.decode() in (found.source["key"], found.about["home"]["key"]):
                self.drop(task)
            return {"age": None}
        willed = "will" in message.header and found.about["home"]["key"] == message.user.decode()
        if willed:
            found.will = [str(deed) for deed in want(message.header, "will", list)]
        return {"age": list(found.age), "events": found.about["events"], "willed": willed}

    def drop(self, task: str) -> None:
        """It is not wanted any more; unless it takes over just now."""
        if self._takes_over(task):
            return
        replica = self._kept.pop(task, None)
        if replica is not None and replica.runner is not None:
            replica.runner.kill()

    def _takes_over(self, task: str) -> bool:
        return task in self._beginning and self._beginning[task].locked()

    def close(self) -> None:
        """Drop all."""
        for task in list(self._kept):
            self.drop(task)

    async def _take_in(self, task: str, message: Message) -> dict[str, Any]:
        """Verify the copy, and put it together beside the one before, which it then replaces."""
        node = self._node
        if node.draining:
            raise NotMigratable(f"{node.here['name']} is draining and takes no replicas")
        source = want(message.header, "source", dict)
        parcel = open_sealed(message.payload, node.reception.session(message.user))
        entry = want(parcel.manifest, "checkpoint", dict)
        epoch, number = want(entry, "epoch", int), want(entry, "number", int)
        about = dict(checked_record(parcel.manifest, task, epoch))
        about.pop("mailbox", None)  # which the parcel holds
        check_python(parcel.manifest)
        await node.moves.require_home(about["home"])
        parcel, pieces = take_out_written(parcel)
        place = place_of(source)
        hosted = Hosted(node, task)
        replica = Replica(about, parcel, pieces, epoch, number, place, hosted)
        await self._put_together(replica)
        before, here = self._kept.get(task), node.tasks.get(task)
        is_old = before is not None and before.age > replica.age
        if is_old or self._takes_over(task) or (here is not None and here.is_known):
            if replica.runner is not None:
                replica.runner.kill()
            raise NotMigratable("there is a newer one, or the task itself")
        if before is not None:
            replica.will = before.will
        self.drop(task)
        self._kept[task] = replica
        if before is None:
            spawn(self._look_after(task))
        return {"warm": replica.runner is not None}

    async def _put_together(self, replica: Replica) -> None:
        """In a runner, which waits.  What writes files can't be, as the task still writes them."""
        hosted, parcel = replica.hosted, replica.hosted.calls.opened(replica.parcel)
        hosted.about = replica.about
        runner = await self._node.pool.take()
        manifest = {**parcel.manifest, "standby": True}
        try:
            await hosted.stage(runner, dict(replica.about), manifest, parcel.frames)
        except NotMigratable as error:
            if error.data.get("standby") is None:
                raise
            replica.hosted = Hosted(self._node, hosted.id)
            return
        replica.runner = runner

    async def _look_after(self, task: str) -> None:
        """As long as it is wanted: its home may have told us that, in vain, otherwise."""
        node = self._node
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if (replica := self._kept.get(task)) is None:
                return
            here = node.tasks.get(task)
            if here is not None and here.is_here:
                self.drop(task)
                return
            try:
                told = await self._ask_home(replica)
            except HetmigError:
                continue  # nobody can say: it stays
            if told.get("is_home") and (told["ended"] or told["replica"] != node.here):
                self.drop(task)
                return

    async def _ask_home(self, replica: Replica) -> dict[str, Any]:
        home, header = replica.about["home"], {"task": replica.hosted.id}
        if home == self._node.here:
            return self._node.rehoming.at_home(header["task"]) or {}
        link = self._node.directory.link(certificate_of(home))
        return (await link.request(protocol.HOME, header, timeout=_ANSWER_SECONDS)).header

    # Taking over ------------------------------------------------------------------------------

    async def take_over(self, message: Message) -> dict[str, Any]:
        """The home says that the task goes on here.  Raises TaskLost if it can't."""
        task, epoch = want(message.header, "task", str), want(message.header, "epoch", int)
        claim = Claim.of(want(message.header, "claim", dict))
        return await self.begin(task, epoch, claim, message.user)

    async def begin(
        self,
        task: str,
        epoch: int,
        claim: Claim,
        sender: bytes,
        also: Callable[[], None] | None = None,
        *,
        trusted: bool = False,
    ) -> dict[str, Any]:
        """Let the replica of a task be the task, under this epoch; `also` is written with that."""
        node = self._node
        async with self._beginning.setdefault(task, asyncio.Lock()):
            old = node.tasks.get(task)
            if old is not None and old.handoff.owned >= epoch:
                return {"taken": True}  # and perhaps it has ended since, or moved on
            replica = self.find(task)
            if not trusted:
                require(replica.about, claim, sender)
            if str(claim.home["key"]).encode() != sender:
                raise TaskLost("only the task's home can let its replica take over")
            about = at_home({**replica.about, "epoch": epoch}, claim._asdict())
            if old is not None:
                old.fence(epoch)
            hosted, runner = replica.hosted, replica.runner
            await hosted.keep(about, replica.parcel.manifest, replica.parcel.frames, also)
            node.tasks[task] = hosted
            del self._kept[task]
        _log.warning("task %s goes on here: its replica has taken over", task)
        step("replica-taken")
        hosted.arrived()
        if runner is None or runner.exited.done():
            parcel = hosted.calls.opened(replica.parcel)
            spawn(hosted.start(about, parcel.manifest, parcel.frames))
        else:
            hosted.begin(runner)
        return {"taken": True}
