"""Bring a task up on this node: one that is offered, was staged, or restarts after a crash."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hetmig.errors import HetmigError, NotMigratable, TaskLost
from hetmig.node import unreported
from hetmig.node.events import happened
from hetmig.node.freezing import checked_record
from hetmig.node.handoff import State
from hetmig.node.journal import UNWRITTEN
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, describe_error, want
from hetmig.node.services import Answer
from hetmig.node.staging import Staging
from hetmig.node.steps import step
from hetmig.state.manifest import check_python
from hetmig.state.parcel import Parcel, open_sealed

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted

__all__ = ["Arriving", "Offer"]

_NUDGE_SECONDS = 0.5
_LONGEST_PAUSE = 10.0
_RESTARTS = 3
_AGAIN_SECONDS = 1.0


class Offer(NamedTuple):
    """A parcel that came in."""

    epoch: int
    wire: Sequence[Buffer]
    session: bytes
    source: dict[str, Any]
    """The place it came from."""
    is_committed: bool
    """Whether COMMIT is on its way as well."""


class Arriving:
    """What one task needs to begin, or to begin again, on this node."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted

    async def accept(self, offer: Offer, ways: Sequence[Answer]) -> None:
        """The destination's side of a handoff up to STAGED, and then asking until it is decided.

        The connection on which the offer came may break: so it asks in more than one way.
        """
        hosted, epoch = self._hosted, offer.epoch
        hosted.partner = ways[-1]
        try:
            is_quick = await self._staged(offer)
        except HetmigError as error:
            reason = error.reason if isinstance(error, NotMigratable) else str(error)
            self._refuse(epoch, reason, error)
            return
        if not hosted.transitions.take(lambda: hosted.handoff.staged(epoch, told=is_quick)):
            self._refuse(epoch, UNWRITTEN, NotMigratable(UNWRITTEN))
        elif hosted.handoff.state is State.STAGED:
            await self.insist(ways)

    async def _staged(self, offer: Offer) -> bool:
        """Verify the parcel, and unpickle it in a runner while it is written to the disk.

        Whether that was quick, so that the source need not be told any more.
        """
        hosted = self._hosted
        parcel = open_sealed(offer.wire, offer.session)
        step("verified")
        hosted.timeline.mark("verify")
        about = dict(checked_record(parcel.manifest, hosted.id, offer.epoch))
        if about.get("what") != "object":  # which nobody unpickles here
            check_python(parcel.manifest)
        frames = self._disclosed(parcel, about)
        if "hop" in about:
            nbytes = sum(memoryview(frame).nbytes for frame in offer.wire)
            about["hop"] = {**want(about, "hop", dict), "bytes": nbytes}
            about["size"] = nbytes
        hosted.about, hosted.peer = about, {"place": offer.source}
        hosted.ending.cancelled = False
        is_quick = self._is_quick(offer)
        take = functools.partial(hosted.node.reserved, hosted.id)
        staging = await self._begin(parcel.manifest, frames, about, take)
        try:
            await self._keep(offer, parcel, is_quick)
        except BaseException:
            staging.give_up()
            raise
        await hosted.staged(staging)
        hosted.timeline.mark("rebuild")
        runner = staging.runner
        if hosted.handoff.state is State.DUE:
            hosted.timeline.mark("commit")  # which has come already
        if runner.exited.done():  # since then, when nobody could have refused for that reason
            raise TaskLost(f"the runner {runner.exited.result()} before the task began")
        return is_quick

    def _is_quick(self, offer: Offer) -> bool:
        """Whether the task can be committed before it is staged, as that is a matter of moments.

        Should this node be killed in them, the task waits for it: without a journal it would be
        lost, and a task whose modules are still to be imported would have to wait longer.
        """
        hosted = self._hosted
        journal = hosted.node.journal
        prepared = hosted.node.is_prepared(hosted.id)
        return journal.is_durable and prepared and journal.is_small(offer.wire)

    async def _keep(self, offer: Offer, parcel: Parcel, is_quick: bool) -> None:
        """Put on the disk what is staged: while the runner is at work, nobody waits for it."""
        hosted, epoch = self._hosted, offer.epoch
        await hosted.entry.keep(epoch, parcel.manifest, parcel.frames)
        hosted.timeline.mark("keep")
        tell = is_quick and not offer.is_committed
        hosted.transitions.take(lambda: hosted.handoff.keep(epoch, quick=is_quick, tell=tell))
        if tell:
            hosted.timeline.mark("answer")

    def _disclosed(self, parcel: Parcel, about: dict[str, Any]) -> list[Any]:
        """The frames of the task alone.  `about` loses its mailbox, and the reports."""
        frames, self._hosted.reports = unreported.disclose(about, parcel.frames)
        return self._hosted.calls.disclose(about, frames)

    def _refuse(self, epoch: int, reason: str, error: HetmigError) -> None:
        hosted = self._hosted
        if hosted.handoff.epoch != epoch:
            return  # a later offer has come meanwhile
        hosted.transitions.refusal = describe_error(error)
        happened("refused", hosted.id, epoch, reason=type(error).__name__)
        hosted.entry.drop()
        hosted.transitions.take(lambda: hosted.handoff.refuse(epoch, reason))

    async def insist(self, ways: Sequence[Answer]) -> None:
        """Repeat what the other side must know, until this handoff has gone on."""
        hosted, pause = self._hosted, _NUDGE_SECONDS
        waiting = hosted.handoff.state, hosted.handoff.epoch
        for way in itertools.cycle(ways):
            await asyncio.sleep(pause)
            if (hosted.handoff.state, hosted.handoff.epoch) != waiting:
                return
            pause = min(2 * pause, _LONGEST_PAUSE)
            hosted.transitions.take(hosted.handoff.nudge, way)

    async def _begin(
        self,
        manifest: dict[str, Any],
        frames: list[Any],
        about: dict[str, Any],
        take: Callable[[], Awaitable[Runner]],
    ) -> Staging:
        """A runner puts the task together from here on, or a shelf gets the object."""
        hosted = self._hosted
        if about.get("what") == "object":
            nbytes = sum(frame.nbytes for frame in frames)
            runner: Runner = hosted.node.shelf(manifest, nbytes)
        else:
            runner = await take()
            hosted.timeline.mark("runner")
        hosted.runner = runner
        step("staging")
        return hosted.begin_staging(runner, about, manifest, frames)

    async def _rebuilt(self, kept: Parcel, about: dict[str, Any]) -> Runner:
        """The same, from what the journal keeps."""
        frames = self._disclosed(kept, about)
        staging = await self._begin(kept.manifest, frames, about, self._hosted.node.pool.take)
        await self._hosted.staged(staging)
        return staging.runner

    # After a crash ----------------------------------------------------------------------------

    async def stage_again(self) -> None:
        """What was staged when the node was killed is staged once more, from its image."""
        hosted, epoch = self._hosted, self._hosted.handoff.epoch
        try:
            kept = hosted.entry.kept()
            await self._rebuilt(kept, dict(kept.manifest["task"]))
        except HetmigError as error:
            hosted.restaging, hosted.runner = False, None
            self._refuse(epoch, str(error), error)
            if hosted.handoff.state is State.RUNNING:  # it was committed to us meanwhile
                hosted.ending.end(error=describe_error(error))
            return
        hosted.restaging = False
        if hosted.handoff.state is State.RUNNING:
            hosted.run()
            return
        hosted.transitions.take(lambda: hosted.handoff.staged(epoch))
        if hosted.handoff.state is State.STAGED:
            await self.insist([hosted.partner])

    async def restart(self) -> None:
        """Run the task from what was kept of it: its process is gone, and it is ours.

        An actor has answered calls since then, which it would know nothing of: it is lost, unless
        it was kept as it stood when its node ended.
        """
        hosted, epoch = self._hosted, self._hosted.handoff.epoch
        if hosted.about.get("what") == "actor" and not self._stands_still():
            hosted.ending.lose(
                "its node was killed, and with it what the calls since its last move did"
            )
            return
        for attempts_left in reversed(range(_RESTARTS)):
            try:
                kept = hosted.entry.kept()
                about = {**hosted.about, **kept.manifest.get("task", {})}
                if about.get("needs") and await hosted.node.placing.taken_over(hosted, about, kept):
                    return
                runner = await self._rebuilt(kept, about)
                break
            except HetmigError as error:
                if not attempts_left:
                    hosted.ending.end(error=describe_error(error))
                    return
                await asyncio.sleep(_AGAIN_SECONDS)
        if hosted.handoff.state is not State.RUNNING or hosted.handoff.epoch != epoch:
            runner.kill()
            return
        hosted.begin(runner)
        hosted.arrived()

    def _stands_still(self) -> bool:
        """Whether an actor's image is its very state; this once, and not after the next crash."""
        hosted = self._hosted
        try:
            standing = hosted.entry.kept().manifest["task"].get("standing", False)
            fresh = hosted.about.get("went_on") != hosted.entry.image
            hosted.about["went_on"] = hosted.entry.image
            hosted.entry.record()
        except HetmigError:
            return False
        return bool(standing and fresh)
