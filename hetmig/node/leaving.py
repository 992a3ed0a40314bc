"""The source's side of a handoff: freeze the task, offer it, and wait for the end of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from hetmig.errors import HetmigError, InMotion, JournalError, MigrationRefused, NotMigratable
from hetmig.node import protocol, unreported
from hetmig.node.freezing import describe_hop, foreseen_hop, sealed
from hetmig.node.handoff import Note, State
from hetmig.node.journal import UNWRITTEN
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
_FRESH_SECONDS = 0.25
"""For so long a destination is believed to be there, and quick, as it has said."""


class _Destination(NamedTuple):
    """Who has a runner ready for the task."""

    link: Link
    welcome: dict[str, Any]
    promised: float = -math.inf
    """When (monotonic) it has said that it would put together a small task in a moment."""

    @property
    def is_quick(self) -> bool:
        """Whether a small task can be committed to it with the offer."""
        return time.monotonic() - self.promised < _FRESH_SECONDS


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
            quick = await hosted.node.precopy(hosted, link, welcome, timeout)
            to = _Destination(link, welcome, time.monotonic() if quick else -math.inf)
            hosted.require(State.RUNNING)
            try:
                with self._intent(to, requested_by):
                    frozen = await hosted.frozen(
                        timeout if patience is None else patience, portable
                    )
                    return await self._hand_over(to, frozen, timeout, requested_by)
            except MigrationRefused as refusal:
                if not portable:
                    raise
                await tries.next(refusal)

    @contextlib.contextmanager
    def _intent(self, to: _Destination, requested_by: str) -> Iterator[None]:
        """Have it on the disk before the freeze that the task may be committed with its offer.

        If that is not done within the block, or while the destination's promise holds, it is
        taken back.  Raises NotMigratable if the disk is full.
        """
        hosted = self._hosted
        if not to.is_quick:
            yield
            return
        hop = foreseen_hop(hosted.node.here["name"], to.welcome, requested_by)
        self._address(to, hop)
        if not hosted.transitions.take(hosted.handoff.intend):
            raise NotMigratable(UNWRITTEN)
        epoch = hosted.handoff.intended

        def forgo() -> None:
            hosted.transitions.take(lambda: hosted.handoff.forgo(epoch))

        late = asyncio.get_running_loop().call_later(_FRESH_SECONDS, forgo)
        try:
            yield
        finally:
            late.cancel()
            forgo()

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
                to = _Destination(*prepared)
                hosted.require(State.RUNNING)
            except HetmigError as error:
                hosted.runner.send(protocol.GO_ON, {"error": describe_error(error)})
                return
            portable = want(frozen.header, "portable", bool, False)
            if not portable and not same_minor(to.welcome["python"], this_python()):
                hosted.runner.send(protocol.GO_ON, {"error": None, "again": "portable"})
                return
            with contextlib.suppress(HetmigError):  # the task itself was told
                await self._hand_over(to, frozen, _SELF_MOVE_SECONDS, "task")

    async def _hand_over(
        self, to: _Destination, frozen: Message, timeout: float, requested_by: str
    ) -> dict[str, Any]:
        """A handoff, to its end."""
        hosted, welcome = self._hosted, to.welcome
        hosted.require(State.RUNNING)  # it may have been cancelled since it froze
        verdict = hosted.verdict = asyncio.get_running_loop().create_future()
        hosted.partner = to.link.post
        self._begin_timeline(frozen)
        hop = describe_hop(frozen, hosted.node.here["name"], welcome, requested_by)
        self._address(to, hop)
        hosted.peer["frozen_at"] = frozen.header["started"]
        offer = functools.partial(self._offer, to, frozen)
        with hosted.node.tracing.moving(hosted.about, hop):
            if not hosted.transitions.take(hosted.handoff.offer, offer=offer):
                hosted.go_on(UNWRITTEN)
            await self._decided(verdict, welcome["name"], timeout)
            verdict.result()
        return hop

    def _address(self, to: _Destination, hop: dict[str, Any]) -> None:
        """The task's next attempt is to be this hop."""
        hosted, place = self._hosted, place_of(to.welcome)
        hop.update(task=hosted.id, place=place, epoch=hosted.handoff.coming)
        hosted.peer = {"place": place, "memory": to.welcome.get("memory"), "hop": hop}

    def _begin_timeline(self, frozen: Message) -> None:
        header, timeline = frozen.header, self._hosted.timeline
        timeline.end()
        timeline.begin(self._hosted.handoff.coming, header["started"])
        timeline.mark("capture", header["received"])
        timeline.mark("prepare")

    def _offer(self, to: _Destination, frozen: Message) -> None:
        """Send the parcel, and commit the task if it can be presumed what the answer will be.

        If the parcel can't be sent, the task goes on.
        """
        hosted = self._hosted
        epoch, hop = hosted.handoff.epoch, hosted.peer["hop"]
        try:
            about = settled({**hosted.about, "hop": dict(hop)}, hop["requested_by"])
            reports = hosted.node.unreported(about)
            inclosed = unreported.enclose(*hosted.calls.enclose(frozen, about), reports)
            wire = sealed(*inclosed, epoch, bytes.fromhex(to.welcome["session"]))
            step("encoded")
            hosted.timeline.mark("seal")
            hosted.node.keep(f"{hosted.about['name']}-{hosted.id}-{epoch}", wire)
            nbytes = sum(memoryview(frame).nbytes for frame in wire)
            hop["bytes"] = nbytes
            header = {"task": hosted.id, "epoch": epoch, "source": hosted.node.here}
            header["committed"] = commits = to.is_quick and hosted.node.journal.is_small(wire)
            if not commits and not hosted.transitions.take(lambda: hosted.handoff.forgo(epoch)):
                raise JournalError(UNWRITTEN)
            step("offer")
            to.link.post(Note.OFFER.value, header, wire)
            hosted.timeline.mark("send")
        except Exception as error:  # nothing was sent: too large, or not as agreed
            reason = f"the task cannot be offered: {error}"
            hosted.transitions.take(lambda: hosted.handoff.expire(reason))
            return
        if commits:
            hosted.transitions.take(hosted.handoff.presume)

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
