"""A node: takes tasks in, runs them in runners, moves them, keeps the record of its own.

The node never unpickles anything; only its runners and the clients do.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq.asyncio

from hetmig.errors import (
    AlreadyThere,
    HetmigError,
    NotMigratable,
    Unauthorized,
)
from hetmig.node import (
    orphans,
    parts,
    protocol,
    remote,
    rights,
    sockets,
)
from hetmig.node.caps import Caps
from hetmig.node.checkpoints import Checkpoints
from hetmig.node.directory import Directory, certificate_of
from hetmig.node.draining import Drains
from hetmig.node.file_requests import Files
from hetmig.node.home import Home
from hetmig.node.hosted import Hosted
from hetmig.node.inputs import Inputs
from hetmig.node.journal import Journal
from hetmig.node.keys import Keyring, check_endpoint, endpoint_for_others, is_loopback
from hetmig.node.link import Link
from hetmig.node.messages.finding import Finding
from hetmig.node.moves import Moves
from hetmig.node.partners import Partners
from hetmig.node.placing import Placing
from hetmig.node.pool import Pool, Runner
from hetmig.node.precopying import Precopying
from hetmig.node.protocol import Buffer, Message, want
from hetmig.node.pulse import Pulse
from hetmig.node.reception import Reception
from hetmig.node.rehoming import residents
from hetmig.node.rehoming.deeds import Claim
from hetmig.node.rehoming.records import Rehoming
from hetmig.node.remembered import Remembered
from hetmig.node.replicas.keeping import Replicas
from hetmig.node.replicas.sending import Sending
from hetmig.node.services import Answer
from hetmig.node.shelf import Shelves
from hetmig.node.staging import Reservations
from hetmig.node.syncing import Syncing
from hetmig.node.tracing import Tracing, Untraced
from hetmig.node.unreported import Report
from hetmig.node.watch import Watch
from hetmig.state.manifest import this_python
from hetmig.state.parcel import write_file

__all__ = ["Node"]

_log = logging.getLogger("hetmig")
DOMAIN = "hetmig.nodes"
_REMEMBERED = 10_000
_AT_ONCE = 1000
"""So many are forgotten together: to find them, all are looked at."""
_ENDS = ("end", "cancelled", "lost")


class Node:
    """Make it with `Node.start` within an event loop."""

    @classmethod
    async def start(
        cls,
        *,
        listen: str,
        name: str,
        keyring: Keyring,
        advertise: str | None = None,
        command: Sequence[str] = (),
        spare: int = 1,
        explicit_keys: bool = False,
        state: Path | None = None,
        sturdy: bool = False,
        caps: Caps | None = None,
    ) -> Node:
        """Listen at the endpoint, warm up a runner, and go on with what the journal knows.

        `command` starts the Python of the runners (default: this one), `spare` of them are kept
        warm; `advertise` is the endpoint told to others, where it is not the one listened at;
        `state` is the journal's directory, None for a node that forgets all when it ends;
        `caps` are what it gives at most.
        Raises HetmigError for an endpoint beyond this machine without explicitly chosen keys.
        """
        _check(listen, advertise, explicit_keys)
        caps = caps or Caps()
        journal = Journal(state)
        orphans.end(journal.directory)
        context = zmq.asyncio.Context()
        gatekeeper = sockets.Gatekeeper(context)
        gatekeeper.admit(DOMAIN, keyring.is_authorized)
        try:
            door, endpoint = sockets.make_door(
                context, keyring.identity, DOMAIN, listen, largest=caps.frame
            )
        except HetmigError:
            await gatekeeper.close()
            context.destroy(linger=0)
            raise
        here = {
            "name": name,
            "endpoint": advertise or endpoint_for_others(endpoint),
            "key": keyring.identity.public.decode(),
        }
        command = command or [sys.executable]
        about = {
            "node": name,
            "place": here,
            "sturdy": sturdy,
            "locks": orphans.directory(journal.directory),
        }
        pool = Pool(context, gatekeeper, command=command, spare=spare, about=about, caps=caps)
        node = cls(context, gatekeeper, door, keyring, here, pool, journal)
        node.listens_on = endpoint
        gatekeeper.admit(DOMAIN, node.reception.lets_in)
        node._recover()
        return node

    def __init__(
        self,
        context: zmq.asyncio.Context,
        gatekeeper: sockets.Gatekeeper,
        door: zmq.asyncio.Socket,
        keyring: Keyring,
        here: dict[str, Any],
        pool: Pool,
        journal: Journal,
    ) -> None:
        self.here = here
        self.pool = pool
        self.journal = journal
        self.caps = pool.caps
        self.home = Home(journal)
        self.reception = Reception(self, door)
        self.directory = Directory(context, keyring, here, self.reception.hear_peer)
        self.listens_on = here["endpoint"]
        self.draining = False
        self.ending = False
        """Whether it is being drained in order to end."""
        self.drains = Drains(self)
        self.keep_parcels: Path | None = None
        """Where to leave a copy of each parcel that departs, to be looked at; None: nowhere."""
        self.tasks = Remembered()
        self.shelves = Shelves()
        self.moves = Moves(self)
        self.rehoming = Rehoming(self)
        self.finding = Finding(self, remote.forward)
        self.replicas = Replicas(self)
        self.replicating = Sending(self)
        self.checkpoints = Checkpoints(self, keyring.directory)
        self.partners = Partners()
        self.placing = Placing(self)
        self.precopying = Precopying()
        self.files = Files(self)
        self.inputs = Inputs(self)
        self.tracing: Tracing | Untraced = Untraced()
        self._context = context
        self.keyring = keyring
        self._gatekeeper = gatekeeper
        self.reservations = Reservations(lambda runner: self.pool.give_back(runner))
        self.syncing = Syncing(journal)
        self.watch = Watch(self)
        self._watching = asyncio.create_task(self.watch.run())
        self._pulse = asyncio.create_task(Pulse(self).run())
        self._seeking = asyncio.create_task(self.rehoming.run())

    async def close(self) -> None:
        """Kill the runners and close everything.  What the journal holds goes on with the next."""
        if self.journal.is_durable:
            for hosted in self.tasks.values():
                hosted.detach()
        self.placing.close()
        self._watching.cancel()
        self._pulse.cancel()
        self._seeking.cancel()
        self.reception.stop()
        self.reservations.close()
        self.replicas.close()
        await self.pool.close()
        self.files.close()
        await self.directory.close()
        self.reception.close()
        await self._gatekeeper.close()
        self._context.destroy(linger=500)
        self.syncing.close()
        self.journal.close()

    def _recover(self) -> None:
        """Take up everything where the last process with this journal left it."""
        self.rehoming.recover()
        for place, kept in self.journal.outbox():
            if not self.rehoming.take_up(place, kept):
                self.directory.outbox(place).add(kept.key, kept.header, kept.payload)
        for task, row in self.journal.rows().items():
            self.tasks[task] = Hosted(self, task)
            self.tasks[task].recover(row)
        self.rehoming.settle()
        parts.watch_all(self)

    def about(self) -> dict[str, Any]:
        """How this node introduces itself to another."""
        return {**self.here, "role": "node", "python": this_python()}

    # Services for the tasks -------------------------------------------------------------------

    async def prepare(self, target: str, task: str, timeout: float) -> tuple[Link, dict[str, Any]]:
        """A connection to a destination which said that it takes the task."""
        if self.directory.is_here(target):
            raise AlreadyThere(f"the task is on {self.here['name']} already")
        link, welcome = await self.moves.prepare(target, task, timeout)
        self.partners.chosen(task, link.server_key)
        return link, welcome

    async def precopy(
        self, hosted: Hosted, link: Link, welcome: dict[str, Any], timeout: float
    ) -> bool:
        """Send the code of a task ahead, which runs on meanwhile.

        Whether the destination promised to put a small task together in a moment.
        """
        return await self.precopying.send(hosted, link, welcome, timeout)

    async def reserved(self, task: str) -> Runner:
        """A ready runner, the one set aside for this task if there is one."""
        if self.draining:
            raise NotMigratable(f"{self.here['name']} is draining and takes no tasks")
        return self.reservations.take(task) or await self.pool.take()

    def is_prepared(self, task: str) -> bool:
        """Whether that one has read the task's code, and imported what it needs."""
        return not self.draining and self.reservations.is_prepared(task)

    def shelf(self, manifest: dict[str, Any], nbytes: int) -> Any:
        """Room for an object that arrives."""
        if self.draining:
            raise NotMigratable(f"{self.here['name']} is draining and takes no objects")
        return self.shelves.make(manifest, nbytes)

    def took_in(self, about: dict[str, Any]) -> None:
        """Something has its home here from now on."""
        parts.watch(self, about)

    async def asked(self, runner: Runner, message: Message) -> None:
        """Carry out a request of a task that runs here, or hear what became of one to it."""
        if message.kind == protocol.DIVIDED:
            parts.divided(message)
        elif message.kind == protocol.FILE:
            await self.files.asked(runner, message)
        elif message.kind == protocol.PREPARED:
            self.precopying.heard(message)
        else:
            await remote.asked(self, runner, message)

    def report(
        self, about: dict[str, Any], header: dict[str, Any], payload: Sequence[Buffer] = ()
    ) -> None:
        """Tell the task's home node, which may be this one."""
        try:
            passing = header["what"] in ("progress", "pulse")
            if about["home"] == self.here:
                if not self.rehoming.is_closed(about["id"]):
                    self.home.report(header, payload)
                elif not passing:
                    self.keep_report(about, header, payload)
                    self.rehoming.hold(_key(header), header, payload)
            elif passing:
                self.directory.outbox(about["home"]).post(header)
            else:
                self.keep_report(about, header, payload)
                self.directory.outbox(about["home"]).add(_key(header), header, payload)
        except HetmigError as error:
            _log.error("a report on task %s: %s", about["id"], error)
        self.syncing.soon()
        if header["what"] in _ENDS and (hosted := self.tasks.get(about["id"])) is not None:
            self.replicating.ended(hosted)

    def keep_report(
        self, about: dict[str, Any], header: dict[str, Any], payload: Sequence[Buffer]
    ) -> None:
        """Keep a report with the journal's next `sync`, until the home node has it."""
        if about["home"] == self.here and not self.rehoming.is_closed(about["id"]):
            self.home.keep(header, payload)
        else:
            self.journal.post(about["home"], _key(header), header, payload)

    def unreported(self, about: dict[str, Any]) -> list[Report]:
        """What the home node of a task has not acknowledged, of what happened to it here."""
        if about["home"] == self.here:
            return []
        return [
            Report(*report) for report in self.directory.outbox(about["home"]).of_task(about["id"])
        ]

    def answer_to(self, place: dict[str, Any], key: bytes) -> Answer | None:
        """A way to send notes to the node at that place, if it has this key."""
        if want(place, "key", str).encode() != key or not self.keyring.is_node(key):
            return None
        return self.directory.link(certificate_of(place)).post

    def keep(self, name: str, wire: Sequence[Buffer]) -> None:
        """A parcel is leaving: leave a copy where the node's owner asked for one."""
        if self.keep_parcels is not None:
            safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
            path = self.keep_parcels / f"{safe}.parcel"
            # In a thread: the task is frozen meanwhile, and a disk may be slow.
            asyncio.get_running_loop().run_in_executor(None, write_file, path, list(wire))

    # Tasks ------------------------------------------------------------------------------------

    def about_task(self, task: str) -> dict[str, Any] | None:
        """The record of a task that is known here, whose owner it names."""
        hosted, record = self.tasks.get(task), self.home.records.get(task)
        if record is not None:
            return record.about
        return (hosted and hosted.about) or self.rehoming.about(task)

    def require_control(self, message: Message, task: str) -> None:
        """Raise Unauthorized if a task is known here, and not the sender's to control."""
        if (about := self.about_task(task)) is not None:
            rights.require_control(message.kind, message.caller, about)

    def forget_old_tasks(self) -> None:
        """Of those that left or ended, only so many are remembered: to tell old notes from new."""
        if len(self.tasks) - len(self.tasks.known()) < _REMEMBERED + _AT_ONCE:
            return
        oldest = self.tasks.old(_REMEMBERED)
        for task in oldest:
            del self.tasks[task]
        self.journal.forget(oldest)

    def void(self, message: Message) -> None:
        """The home node of a task says that our copy of it is void.  No other is believed.

        Raises Unauthorized for another, JournalError.
        """
        hosted = self.tasks.get(want(message.header, "task", str))
        claim = None
        if "claim" in message.header:
            claim = Claim.of(want(message.header, "claim", dict))
            self.rehoming.supersede(claim, message.user)
        if hosted is None or not hosted.about:
            return
        if claim is not None:
            residents.require(hosted.about, claim, message.user)
            residents.hear(self, claim)
        if hosted.about["home"]["key"].encode() != message.user:
            raise Unauthorized(f"the home of task {hosted.id} is {hosted.about['home']['name']}")
        hosted.fence(want(message.header, "epoch", int))


def _key(header: dict[str, Any]) -> str:
    return f"{header['task']}/{header['what']}/{header.get('n', header['epoch'])}"


def _check(listen: str, advertise: str | None, explicit_keys: bool) -> None:
    for address in (listen, *([advertise] if advertise else [])):
        check_endpoint(address)
    if not (explicit_keys or is_loopback(listen)):
        raise HetmigError(
            f"to listen on {listen}, choose the keys of those who may connect: --keys DIR"
        )
