"""The source's side of a handoff: freeze the task, offer it, and wait for the end of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, InMotion, MigrationRefused
from hetmig.node import protocol, unreported
from hetmig.node.freezing import describe_hop, sealed
from hetmig.node.handoff import Note, State
from hetmig.node.link import Link
from hetmig.node.placement.needs import settled
from hetmig.node.protocol import Message, describe_error, place_of, rebuild_error, want
from hetmig.node.steps import step
from hetmig.node.tries import Tries
from hetmig.state.manifest import same_minor, this_python

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted

__all__ = ["Leaving", "refused"]

_NUDGE_SECONDS = 0.5
_SELF_MOVE_SECONDS = 30.0
_SILENCE_SECONDS = 30.0
"""A destination that says nothing for so long after the task was committed to it has lost it, for
all that the task's submitter is concerned; it is asked on and on all the same."""


class Leaving:
    """What one task on this node does to move to another."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted

    async def move(
        self, target: str, timeout: float, requested_by: str, patience: float | None = None
    ) -> dict[str, Any]:
        """See `Hosted.move`, which makes sure that there is one move at a time."""
        hosted = self._hosted
        tries = Tries(timeout)
        while True:
            hosted.require(State.RUNNING)
            link, welcome = await hosted.node.prepare(target, hosted.id, timeout)
            hosted.require(State.RUNNING)
            portable = not same_minor(welcome["python"], this_python())
            await hosted.node.precopy(hosted, link, welcome, timeout)
            hosted.require(State.RUNNING)
            frozen = await hosted.frozen(timeout if patience is None else patience, portable)
            try:
                return await self._hand_over(link, welcome, frozen, timeout, requested_by)
            except MigrationRefused as refusal:
                if not portable:
                    raise
                await tries.next(refusal)

    async def move_itself(self, frozen: Message) -> None:
        """The task called `hetmig.migrate`: it is frozen already, inside that call."""
        hosted = self._hosted
        assert hosted.runner is not None
        target = want(frozen.header, "to", str)
        hosted.fail_freeze(InMotion("the task was about to move by itself"))
        frozen.header["received"] = time.monotonic()
        if target in (hosted.node.here["name"], hosted.node.here["endpoint"]):
            hosted.runner.send(protocol.GO_ON, {"error": None})  # it is there already
            return
        async with hosted.moving:
            try:
                prepared = await hosted.node.prepare(target, hosted.id, _SELF_MOVE_SECONDS)
                hosted.require(State.RUNNING)
            except HetmigError as error:
                hosted.runner.send(protocol.GO_ON, {"error": describe_error(error)})
                return
            portable = want(frozen.header, "portable", bool, False)
            if not portable and not same_minor(prepared[1]["python"], this_python()):
                hosted.runner.send(protocol.GO_ON, {"error": None, "again": "portable"})
                return
            with contextlib.suppress(HetmigError):  # the task itself was told
                await self._hand_over(*prepared, frozen, _SELF_MOVE_SECONDS, "task")

    async def _hand_over(
        self,
        link: Link,
        welcome: dict[str, Any],
        frozen: Message,
        timeout: float,
        requested_by: str,
    ) -> dict[str, Any]:
        """A handoff, to its end."""
        hosted = self._hosted
        hosted.require(State.RUNNING)  # it may have been cancelled since it froze
        verdict = hosted.verdict = asyncio.get_running_loop().create_future()
        hosted.partner = link.post
        self._begin_timeline(frozen)
        hop = describe_hop(frozen, hosted.node.here["name"], welcome, requested_by)
        hop.update(task=hosted.id, place=place_of(welcome))
        hosted.peer = {
            "place": hop["place"],
            "memory": welcome.get("memory"),
            "hop": hop,
            "frozen_at": frozen.header["started"],
        }
        offer = functools.partial(self._offer, link, welcome, frozen)
        with hosted.node.tracing.moving(hosted.about, hop):
            if not hosted.transitions.take(hosted.handoff.offer, offer=offer):
                hosted.go_on("the node's journal can't be written")
            await self._decided(verdict, welcome["name"], timeout)
            verdict.result()
        return hop

    def _begin_timeline(self, frozen: Message) -> None:
        header, timeline = frozen.header, self._hosted.timeline
        timeline.end()
        timeline.begin(self._hosted.handoff.newest + 1, header["started"])
        timeline.mark("capture", header["received"])
        timeline.mark("prepare")

    def _offer(self, link: Link, welcome: dict[str, Any], frozen: Message) -> None:
        """Send the parcel; if that can't be done the task goes on."""
        hosted = self._hosted
        epoch = hosted.handoff.epoch
        try:
            about = {**hosted.about, "hop": {**hosted.peer["hop"], "epoch": epoch, "bytes": 0}}
            about = settled(about, hosted.peer["hop"]["requested_by"])
            reports = hosted.node.unreported(about)
            inclosed = unreported.enclose(*hosted.calls.enclose(frozen, about), reports)
            wire = sealed(*inclosed, epoch, bytes.fromhex(welcome["session"]))
            step("encoded")
            hosted.timeline.mark("seal")
            hosted.node.keep(f"{hosted.about['name']}-{hosted.id}-{epoch}", wire)
            nbytes = sum(memoryview(frame).nbytes for frame in wire)
            hosted.peer["hop"].update(epoch=epoch, bytes=nbytes)
            header = {"task": hosted.id, "epoch": epoch, "source": hosted.node.here}
            step("offer")
            link.post(Note.OFFER.value, header, wire)
            hosted.timeline.mark("send")
        except Exception as error:  # nothing was sent: too large, or not as agreed
            reason = f"the task cannot be offered: {error}"
            hosted.transitions.take(lambda: hosted.handoff.expire(reason))

    async def _decided(
        self, verdict: asyncio.Future[None], destination: str, timeout: float
    ) -> None:
        """Wait for the end of the handoff.  Once committed, nothing but an answer ends it."""
        hosted = self._hosted
        expires = time.monotonic() + timeout
        silent = expires + _SILENCE_SECONDS
        while not verdict.done():
            await asyncio.wait([verdict], timeout=_NUDGE_SECONDS)
            if verdict.done():
                return
            if time.monotonic() > expires:
                hosted.transitions.withdraw(
                    f"{destination} did not take the task within {timeout:g} s"
                )
            if time.monotonic() > silent:
                silent = float("inf")
                hosted.report("lost", reason=f"{destination} took the task and fell silent")
            hosted.transitions.take(hosted.handoff.nudge)


def refused(reason: str, described: dict[str, Any] | None) -> MigrationRefused:
    """A refusal, as the error which the destination met if it says more than the reason."""
    error = None if described is None else rebuild_error(described)
    if isinstance(error, MigrationRefused) and error.reason == reason:
        return error
    return MigrationRefused(reason)
