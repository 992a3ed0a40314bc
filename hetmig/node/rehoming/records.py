"""The records of tasks on one node, as they move: who may move them, where they have gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import (
    AlreadyThere,
    HetmigError,
    HomeMoved,
    JournalError,
    MigrationRefused,
    ProtocolError,
    Unauthorized,
)
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.caller import RUN, owner_of
from hetmig.node.directory import certificate_of
from hetmig.node.handoff import Act, Effect, Note, State
from hetmig.node.journal_part import Kept
from hetmig.node.protocol import Buffer, Message, place_of, want
from hetmig.node.record import Record
from hetmig.node.rehoming import residents
from hetmig.node.rehoming.deeds import Claim, digest, term_of
from hetmig.node.rehoming.packing import unpack
from hetmig.node.rehoming.seeking import seek
from hetmig.node.rehoming.telling import tell
from hetmig.node.rehoming.transfer import Transfer
from hetmig.node.steps import step

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Rehoming"]

_log = logging.getLogger("hetmig")
_PROBE_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
_SEEK_SECONDS = 2.0
_REMEMBERED = 10_000
"""Records that have left, of which it is known where to."""


class Rehoming:
    """What a node does about the records of tasks that move."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._transfers: dict[str, Transfer] = {}
        self._held: dict[str, list[tuple[str, dict[str, Any], Sequence[Buffer]]]] = {}
        """Reports of tasks on this very node, while their record is on its way."""

    def recover(self) -> None:
        """Take up everything where the last process with this journal left it."""
        node, rows = self._node, self._node.journal.homes()
        taken = {
            kept.key: unpack(kept.payload)
            for kept in rows
            if kept.payload and kept.header["saved"][0] != State.STAGED.value
        }
        node.home.recover(taken)
        for kept in rows:
            transfer = self._transfers[kept.key] = Transfer(node, kept.key)
            transfer.recover(kept.header, kept.payload)
            record = node.home.records.get(kept.key)
            if record is not None and transfer.machine.state is State.COMMITTED:
                record.is_closed = True
            if not transfer.is_decided:
                spawn(transfer.insist())
            elif not transfer.is_told:
                spawn(tell(node, transfer))

    def transfer(self, task: str) -> Transfer:
        """What this node is to a record, which may be nothing."""
        if task not in self._transfers:
            record = self._node.home.records.get(task)
            if record is None:
                return Transfer(self._node, task)
            self._transfers[task] = Transfer.of_record(self._node, record)
        return self._transfers[task]

    def forward(self, task: str) -> Claim | None:
        """Where a record has gone that was here; None if it is here, or was never."""
        found = self._transfers.get(task)
        return None if found is None or found.machine.state is not State.GONE else found.gone

    def find(self, task: str) -> Record:
        """The record of a task.  Raises HomeMoved if it has gone elsewhere, TaskLost."""
        if (claim := self.forward(task)) is not None:
            name = claim.home["name"]
            raise HomeMoved(f"the home of task {task} is {name} now: ask there", **claim.home)
        return self._node.home.find(task)

    def about(self, task: str) -> dict[str, Any] | None:
        """The task's own record, of one that was at home here."""
        found = self._transfers.get(task)
        return (found and found.about) or None

    # Moving a record --------------------------------------------------------------------------

    async def rehome(self, task: str, target: str, timeout: float) -> dict[str, Any]:
        """Let the record of a task at home here move; where it is then, and who knows that.

        Raises MigrationRefused with the reason, NodeUnreachable, AlreadyThere, TaskLost; the task
        stays at home here then.
        """
        node, until = self._node, time.monotonic() + timeout
        record = self.find(task)
        if node.directory.is_here(target):
            raise AlreadyThere(f"{node.here['name']} is the home of the task already")
        link = await node.directory.reach(target, node.about(), timeout)
        node.directory.require_node(link)
        if node.journal.is_durable and not link.peer.get("durable"):
            raise MigrationRefused(
                f"{link.name} keeps no journal, and would forget the record when it ends: start "
                "it with --state DIR"
            )
        place = place_of(link.peer)
        transfer = self.transfer(task)
        self._forget_old()
        if node.watch.is_restarting(task):
            raise MigrationRefused("the task is being restarted just now: try again")
        await transfer.give(record, place, max(until - time.monotonic(), 1.0))
        if transfer.machine.state is not State.GONE:
            raise MigrationRefused(
                f"the record was promised to {link.name}, which has not confirmed it: it is "
                "asked until it answers"
            )
        return {"task": task, "home": place, "told": await self._is_told(transfer, until)}

    async def _is_told(self, transfer: Transfer, until: float) -> bool:
        """Whether the new home has reached the node that has the task, in time."""
        link = self._node.directory.link(certificate_of(transfer.peer["place"]))
        while (remaining := until - time.monotonic()) > 0:
            header = {"task": transfer.id, "told": True, "seconds": remaining}
            try:
                answer = await link.request(protocol.HOME, header, timeout=remaining + 1)
            except HetmigError:
                return False
            if answer.header.get("told"):
                return True
        return False

    def _forget_old(self) -> None:
        gone = [task for task, t in self._transfers.items() if t.machine.state is State.GONE]
        if excess := gone[: max(0, len(gone) - _REMEMBERED)]:
            for task in excess:
                del self._transfers[task]
            self._node.journal.forget_homes(excess)

    async def note(self, message: Message) -> dict[str, Any]:
        """A note of the hand-over of a record; the answer.  Raises the refusal of an offer."""
        task, epoch = want(message.header, "task", str), want(message.header, "epoch", int)
        try:
            note = Note(want(message.header, "note", str))
        except ValueError as error:
            raise ProtocolError(str(error)) from None
        step("home-received", note.value)
        transfer = self.transfer(task)
        if note is Note.OFFER:
            answer = await self._offered(transfer, message, epoch)
        else:
            partner = transfer.peer.get("place", {}).get("key", "")
            if transfer.peer and partner.encode() != message.user:
                raise Unauthorized(f"{note.value!r} comes from a node that has no part in this")
            memory = want(message.header, "memory", str, None)
            knows = memory is None or memory == self._node.journal.memory
            answer = transfer.take(lambda: transfer.machine.receive(note, epoch, remembers=knows))
        if answer is None:
            return {"note": None}
        assert isinstance(answer.do, Note)
        step("home-answer", answer.do.value)
        told = {"note": answer.do.value, "epoch": answer.epoch, "reason": answer.reason}
        told["memory"] = self._node.journal.memory
        if answer.do is Note.OWNED:
            told |= {"term": epoch, "deed": transfer.about.get("deed", "")}
        return told

    async def _offered(self, transfer: Transfer, message: Message, epoch: int) -> Effect | None:
        source = want(message.header, "source", dict)
        frames = [bytes(frame) for frame in message.payload]
        record = unpack(frames)
        if record.id != transfer.id or str(source.get("key")).encode() != message.user:
            raise ProtocolError("the record is of another task or node than the offer says")
        effects = transfer.machine.receive(Note.OFFER, epoch)
        self._transfers[transfer.id] = transfer
        refusal = [effect for effect in effects if effect.do is Note.REFUSED]
        if refusal or Act.STAGE not in [effect.do for effect in effects]:
            return refusal[0] if refusal else transfer.take(lambda: effects)
        transfer.take(lambda: [effect for effect in effects if effect.do is not Act.STAGE])
        try:
            await self._require_fit(record, source)
        except BaseException as error:
            reason = str(error)
            transfer.take(lambda: transfer.machine.refuse(epoch, reason))
            raise
        return transfer.stage(frames, epoch, source)

    async def _require_fit(self, record: Record, source: dict[str, Any]) -> None:
        """Raise HetmigError unless this node may, and can, be the home of a task."""
        node, owner = self._node, owner_of(record.about) or ""
        name = node.here["name"]
        if node.draining:
            raise MigrationRefused(f"{name} is draining and takes no tasks")
        if not node.keyring.rights(owner.encode("ascii", "replace")):
            raise MigrationRefused(
                f"{name} does not know the key of the task's owner, who could not ask for its "
                f"result there: `hetmig keys authorize --rights submit -- '{owner}'`"
            )
        if record.outcome is not None:
            return
        if record.what != "object":
            living = [r.about for r in node.home.records.values() if r.outcome is None]
            node.caps.require_task(owner, (a for a in living if a.get("what") != "object"))
        await node.moves.require_home(source)  # which may have the task, or reports on it
        header = {"task": record.id, "could": node.here, "from": source}
        if record.place == node.here:
            residents.require_home(node, record.id, source)
        else:
            link = await node.directory.acquaint(record.place, node.about(), _PROBE_SECONDS)
            await link.request(protocol.REHOMED, header, timeout=_PROBE_SECONDS)

    # What becomes of it -----------------------------------------------------------------------

    def begin(self, transfer: Transfer) -> None:
        """This node is the home of a task now: who has to know is told."""
        if not transfer.is_told:
            spawn(tell(self._node, transfer))

    def stays(self, transfer: Transfer) -> None:
        """The record stays here."""
        record = self._node.home.records.get(transfer.id)
        if record is None:
            return
        record.is_closed = False
        for key, header, payload in self._held.pop(transfer.id, []):
            self._node.report(record.about, header, payload)
            self._node.journal.posted(self._node.here["endpoint"], key)
        record.touch()

    def left(self, transfer: Transfer) -> None:
        """The record has gone to another node, and everything that is said of the task follows."""
        step("home-gone")
        record = self._node.home.records.pop(transfer.id, None)
        try:
            if transfer.gone is not None:
                residents.hear(self._node, transfer.gone)
        except JournalError as error:  # the new home will say the same
            _log.error("task %s: %s", transfer.id, error)
        if record is not None:
            record.touch()

    # Reports ----------------------------------------------------------------------------------

    def is_closed(self, task: str) -> bool:
        """Whether the record of a task is on its way from here, or on its way to here."""
        record, found = self._node.home.records.get(task), self._transfers.get(task)
        if record is not None:
            return record.is_closed
        return found is not None and found.machine.state in (State.STAGING, State.STAGED)

    def hold(self, key: str, header: dict[str, Any], payload: Sequence[Buffer]) -> None:
        """Keep a report of a task on this node until it is known where its home is."""
        held = self._held.setdefault(header["task"], [])
        held[:] = [report for report in held if report[0] != key]
        held.append((key, header, payload))

    def take_up(self, place: dict[str, Any], kept: Kept) -> bool:
        """A report that was to be sent when the node was killed: whether it was one held here."""
        if place["endpoint"] != self._node.here["endpoint"]:
            return False
        self.hold(kept.key, kept.header, kept.payload)
        return True

    def settle(self) -> None:
        """What was held when the node was killed goes to where the home is now."""
        for task in list(self._held):
            if (claim := self.forward(task)) is not None:
                residents.hear(self._node, claim)
            elif not self.is_closed(task):
                self.stays(self.transfer(task))

    def release(self, task: str) -> list[tuple[str, dict[str, Any], Sequence[Buffer]]]:
        """What was held."""
        return self._held.pop(task, [])

    # Where others are -------------------------------------------------------------------------

    async def run(self) -> None:
        """Look, again and again, for the homes of tasks whose home has fallen silent."""
        while True:
            await asyncio.sleep(_SEEK_SECONDS)
            for task in self._node.directory.unheard():
                await self.seek(task)

    async def seek(self, task: str) -> dict[str, Any] | None:
        """Ask the others for the home of a task; where it is, which may be known already."""
        node, hosted = self._node, self._node.tasks.get(task)
        header = {"task": task}
        if hosted is not None and "deed" in hosted.about:
            header["deed"] = hosted.about["deed"]

        async def ask(place: dict[str, Any]) -> dict[str, Any]:
            link = await node.directory.acquaint(place, node.about(), _ANSWER_SECONDS)
            answer = (await link.request(protocol.HOME, header, timeout=_ANSWER_SECONDS)).header
            if hosted is not None and isinstance(answer.get("claim"), dict):
                claim = Claim.of(answer["claim"])
                residents.require(hosted.about, claim, link.server_key)
                residents.hear(node, claim)
            return answer

        others = [place for place in node.directory.places.values() if place != node.here]
        found = await seek(ask, others)
        return None if found is None else found[0]

    # Where it is ------------------------------------------------------------------------------

    async def where(self, message: Message) -> dict[str, Any]:
        """What this node knows of a task's home; a claim only for one who has seen the task."""
        task = want(message.header, "task", str)
        about = self._node.about_task(task)
        if about is None or not (message.caller.may_see(about) or RUN in message.caller.rights):
            return {"home": None, "term": 0, "is_home": False}
        record, claim = self._node.home.records.get(task), self.forward(task)
        if record is not None and (told := self.at_home(task)) is not None:
            transfer = self._transfers.get(task)
            if want(message.header, "told", bool, False) and transfer is not None:
                told["told"] = await self._wait_told(transfer, message)
            seen = want(message.header, "deed", str, None)
            if seen is not None and seen in {digest(deed) for deed in record.deeds}:
                told["claim"] = Claim.by(record).header()
            return told
        if claim is not None:
            return {"home": claim.home, "term": claim.term, "is_home": False}
        return {"home": about["home"], "term": term_of(about), "is_home": False}

    def at_home(self, task: str) -> dict[str, Any] | None:
        """What others may know of a task whose home this is; None if it is not, or leaves."""
        record = self._node.home.records.get(task)
        if record is None or record.is_closed:
            return None
        told = {"home": self._node.here, "term": term_of(record.about), "is_home": True}
        replica = None if record.replica is None else record.replica["place"]
        return {**told, "ended": record.outcome is not None, "replica": replica}

    def supersede(self, claim: Claim, sender: bytes) -> None:
        """The home has been taken over while this node was lost: it is not ours any more.

        Raises Unauthorized if that is not believed, JournalError.
        """
        record = self._node.home.records.get(claim.task)
        if record is not None and residents.require(record.about, claim, sender):
            self.transfer(claim.task).supersede(claim)
            self.left(self._transfers[claim.task])

    async def _wait_told(self, transfer: Transfer, message: Message) -> bool:
        until = time.monotonic() + min(want(message.header, "seconds", float, 0.0), 5.0)
        while not transfer.is_told and (remaining := until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(remaining):
                    await transfer.changed.wait()
            except TimeoutError:
                break
        return transfer.is_told
