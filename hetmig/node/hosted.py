"""One task on this node: its runner, and what the handoff decides about it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from hetmig.errors import HetmigError, InMotion, NotMigratable, TaskLost
from hetmig.node import protocol
from hetmig.node.arriving import Arriving
from hetmig.node.background import spawn
from hetmig.node.calls import Calls
from hetmig.node.ending import Ending
from hetmig.node.entry import Entry
from hetmig.node.events import happened
from hetmig.node.freezing import Freeze
from hetmig.node.handoff import Act, Effect, Handoff, State
from hetmig.node.journal import Row
from hetmig.node.leaving import Leaving
from hetmig.node.messages.log import MessageLog
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message, describe_error
from hetmig.node.saving import Saving
from hetmig.node.services import Answer, Services
from hetmig.node.shelf import Shelf
from hetmig.node.staging import Staging
from hetmig.node.steps import step
from hetmig.node.timeline import Timeline
from hetmig.node.transitions import Transitions
from hetmig.node.unreported import Report, provisional

__all__ = ["Hosted"]

_OWNED = frozenset({State.RUNNING, State.FROZEN, State.COMMITTED})


class Hosted:
    """A task this node runs, ran, or is about to run."""

    def __init__(self, node: Services, task: str) -> None:
        self.id = task
        self.about: dict[str, Any] = {}
        self.on_use: Callable[[], object] = lambda: None
        self._handoff = Handoff()
        self.forward: dict[str, Any] | None = None
        """The place it went to, after it has left."""
        self.calls = Calls(MessageLog(node.journal, task))
        self.node = node
        self.runner: Runner | None = None
        """What it runs in, or lies on, here."""
        self.begun = asyncio.Event()
        self.moving = asyncio.Lock()
        self.freeze: Freeze | None = None
        self.saving = Saving(self)
        self.verdict: asyncio.Future[None] | None = None
        """The end of the handoff under way, or why it failed; None if a crash came between."""
        self.partner: Answer = lambda kind, header: None
        """Sends a note to the other side."""
        self.peer: dict[str, Any] = {}
        """The other side of the newest handoff: its place, the destination's memory, the hop."""
        self.restaging = False
        """Whether it is staged, according to the journal, and its runner not yet back."""
        self.reports: list[Report] = []
        """What came along from where the task was before."""
        self.timeline = Timeline(task)
        self._staging: Staging | None = None
        self.entry = Entry(self)
        self.transitions = Transitions(self)
        self.arriving = Arriving(self)
        self.ending = Ending(self)
        self._leaving = Leaving(self)

    @property
    def handoff(self) -> Handoff:
        """What this node is to the task.  Whoever has it may change that: `on_use` hears of it."""
        self.on_use()
        return self._handoff

    @handoff.setter
    def handoff(self, handoff: Handoff) -> None:
        self.on_use()
        self._handoff = handoff

    @property
    def is_here(self) -> bool:
        """Whether this node owns the task."""
        return self._handoff.state in _OWNED

    @property
    def is_known(self) -> bool:
        """Whether there is anything of it here, on its way in or out included."""
        return self.is_here or self._handoff.is_staged

    @property
    def is_running(self) -> bool:
        """Whether it is here and is more than data."""
        return self.is_here and self.about.get("what") != "object"

    @property
    def has_begun(self) -> bool:
        """Whether it has ever run here."""
        return self.begun.is_set()

    @property
    def takes_calls(self) -> bool:
        """Whether its mailbox is here; that of a task which has not begun fills already."""
        return self.calls.is_open or not (self.has_begun or self.calls.restores)

    # A new task -------------------------------------------------------------------------------

    async def start(
        self,
        about: dict[str, Any],
        manifest: dict[str, Any],
        payload: Sequence[Buffer],
        runner: Runner | None = None,
    ) -> None:
        """Run a task that was submitted here, in a runner of the pool if none is given."""
        try:
            runner = runner or await self.node.pool.take()
            await self.stage(runner, about, manifest, payload)
        except HetmigError as error:
            self.ending.end(error=describe_error(error))
            return
        self.begin(runner)

    async def keep(
        self,
        about: dict[str, Any],
        manifest: dict[str, Any],
        payload: Sequence[Buffer],
        also: Callable[[], None] | None = None,
    ) -> None:
        """Own a task that was submitted here, and keep what it begins with.

        `also` is written with it.  Raises JournalError: then it has not been submitted.
        """
        self.about, self.handoff = about, Handoff(State.RUNNING, about["epoch"])
        await self.entry.keep(about["epoch"], manifest, payload)
        self.entry.record(also)

    def begin(self, runner: Runner) -> None:
        """What is staged was not handed over to us: it was submitted, or restarts."""
        if self.ending.cancelled:
            runner.kill()
            return
        self.runner = runner
        runner.send(protocol.START, {})
        self.begun.set()
        self.calls.begin(runner)
        if not isinstance(runner, Shelf):  # there it lies, or waits for its way to another node
            happened("begun", self.id, self.handoff.epoch)
        self.node.checkpoints.begun(self)

    def give_up(self, error: dict[str, Any]) -> None:
        """What was to begin at another node can't."""
        if self.runner is not None:
            self.runner.kill()
        self.ending.end(error=error)

    async def beginning(self, seconds: float) -> None:
        """Wait until it has begun, but not for longer: it may have been submitted just now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.begun.wait()

    async def move(
        self, target: str, timeout: float, requested_by: str, patience: float | None = None
    ) -> dict[str, Any]:
        """Move the running task; the completed hop.  `timeout` (s) is for each of the two phases.

        `patience` is, if given, for the first one alone: until the task is at a safe point.

        Raises NotMigratable, MigrationRefused or NodeUnreachable; the task then goes on here.
        """
        await self.beginning(timeout if patience is None else patience)
        self.saving.give_way()
        async with self.moving:
            try:
                return await self._leaving.move(target, timeout, requested_by, patience)
            except HetmigError as error:
                self._stays(error)
                raise

    def _stays(self, error: HetmigError) -> None:
        happened("stays", self.id, self.handoff.epoch, reason=type(error).__name__)

    async def frozen(self, timeout: float, portable: bool, keep: str = "") -> Message:
        """The running task's frozen state, to move, or (`keep`) as a checkpoint.

        Raises NotMigratable with what was in the way.
        """
        assert self.runner is not None
        self.freeze = Freeze()
        step("freeze")
        try:
            frozen = await self.freeze.of(self.runner, timeout, portable, keep)
        finally:
            self.freeze = None
        step("frozen")
        frozen.header["received"] = time.monotonic()
        return frozen

    def require(self, state: State) -> None:
        """Raise InMotion or NotMigratable unless it is in this state here."""
        if self.handoff.state is State.ENDED:
            raise NotMigratable("the task has ended")
        if self.handoff.state is not state or self.runner is None:
            raise InMotion("the task is not running on this node now")

    async def stage(
        self,
        runner: Runner,
        about: dict[str, Any],
        manifest: dict[str, Any],
        payload: Sequence[Buffer],
    ) -> None:
        """Let a runner build the task, without starting it.  Raises the runner's refusal."""
        await self.staged(self.begin_staging(runner, about, manifest, payload))

    def begin_staging(
        self,
        runner: Runner,
        about: dict[str, Any],
        manifest: dict[str, Any],
        payload: Sequence[Buffer],
    ) -> Staging:
        """Let a runner begin with that."""
        staging = self._staging = Staging(runner)
        runner.about = about
        runner.on_message = lambda message: self._from_runner(runner, message)
        staging.begin(about, manifest, payload)
        return staging

    async def staged(self, staging: Staging) -> None:
        """Wait until it is done.  Raises the runner's refusal."""
        await staging.done()
        runner = staging.runner
        runner.exited.add_done_callback(lambda how: self.ending.runner_ended(runner, how.result()))

    # Steps ------------------------------------------------------------------------------------

    def fence(self, epoch: int) -> None:
        """The task was restarted elsewhere under this epoch: this copy is void."""
        self.transitions.take(lambda: self.handoff.fence(epoch))

    def discard(self, reason: str) -> None:
        """What is here of the task, for this reason, is void."""
        if self.runner is not None:
            self.runner.kill()
        self.runner = None
        void = TaskLost(reason)
        self.fail_freeze(void)
        if self.verdict is not None and not self.verdict.done():
            self.verdict.set_exception(void)
        self.calls.left()

    def run(self) -> None:
        """What was handed over to us starts."""
        step("run")
        self.forward = None
        if self.restaging:  # a crash took its runner; it will run when there is another
            return
        assert self.runner is not None
        self.runner.send(protocol.START, {})
        self.timeline.mark("start")
        self.begun.set()
        self.calls.begin(self.runner)
        happened("arrived", self.id, self.handoff.epoch, source=self._origin())
        self.arrived()
        self.node.checkpoints.begun(self)

    def arrived(self) -> None:
        """Tell the home node that the task is here, and what it has not heard before."""
        hop = self.about.pop("hop", None)
        told = hop and provisional(hop)
        self.report("arrived", place=self.node.here, hop=told, time=time.time())
        for report in self.reports:
            self.node.report(self.about, report.header, report.payload)

    def _origin(self) -> str:
        return str(self.peer.get("place", {}).get("name", ""))

    def go_on(self, reason: str) -> None:
        """The task stays here, for this reason."""
        error = self.transitions.why(reason)
        if self.verdict is not None and not self.verdict.done():
            self.verdict.set_exception(error)
        if self.runner is None:  # a crash took it since
            spawn(self.arriving.restart())
            return
        self.runner.send(protocol.GO_ON, {"error": describe_error(error)})
        self.calls.begin(self.runner)
        if self.runner.exited.done():  # it died while it was frozen, and now nobody has the task
            self.ending.runner_ended(self.runner, self.runner.exited.result())

    def depart(self, effect: Effect) -> None:
        """Its destination has the task, or has lost it: here it is no more."""
        self.forward = self.peer.get("place")
        step("depart")
        if self.runner is not None:
            self.runner.send(protocol.GONE, {})
        step("gone")
        self.calls.left()
        if effect.do is Act.DEPART:
            hop = self.peer["hop"]
            happened("moved", self.id, effect.epoch, destination=hop["destination"],
                     freeze_s=hop["freeze_s"], bytes=hop["bytes"])  # fmt: skip
            self.report("hop", hop=hop)
            if self.verdict is not None:
                self.verdict.set_result(None)
            return
        lost = TaskLost(f"the destination lost the task: {effect.reason}")
        self.report("lost", reason=lost.message)
        if self.verdict is not None:
            self.verdict.set_exception(lost)

    def detach(self) -> None:
        """The node ends, and its runners with it; the task goes on when the node is back."""
        self.runner = None

    def recover(self, row: Row) -> None:
        """Take up what this node was to the task when it was killed."""
        self.about, self.peer, self.forward = row.about, row.peer, row.forward
        self.calls.restores = True
        self.entry.image = row.image
        self.handoff, effects = Handoff.recovered(row.saved)
        place = self.peer.get("place")
        way = self.node.answer_to(place, place["key"].encode()) if place else None
        if way is not None:
            self.partner = way
        self.restaging = self.handoff.is_staged
        if self.handoff.state in (State.STAGED, State.COMMITTED):
            spawn(self.arriving.insist([self.partner]))
        self.transitions.take(lambda: effects, accept=self.arriving.stage_again)

    # The runner -------------------------------------------------------------------------------

    def _from_runner(self, runner: Runner, message: Message) -> None:
        header = message.header
        self.calls.hear(message, self.about)
        match message.kind:
            case protocol.OUTPUT:
                self.report("output", message.payload, n=header["n"], stream=header["stream"])
            case protocol.PROGRESS:
                self.report("progress", progress=header["progress"])
            case protocol.STAGED | protocol.REFUSED:
                # The word of an earlier attempt's runner, killed meanwhile, is not this one's.
                if self._staging is not None and self._staging.runner is runner:
                    self._staging.hear(message)
            case protocol.ASK | protocol.DIVIDED | protocol.FILE | protocol.PREPARED:
                spawn(self.node.asked(runner, message))
            case protocol.DONE:
                self.ending.end(message)
            case protocol.FROZEN if "to" in header:
                spawn(self._leaving.move_itself(message))
            case protocol.CHECKPOINT:
                spawn(self.node.checkpoints.asked(self, message))
            case protocol.SNAPSHOT if "request" not in header:
                spawn(self.node.checkpoints.own(self, runner, message))
            case protocol.FROZEN | protocol.FREEZING | protocol.DECLINED | protocol.SNAPSHOT:
                self._of_freeze(runner, message)

    def _of_freeze(self, runner: Runner, message: Message) -> None:
        if self.freeze is not None and self.freeze.request == message.header.get("request"):
            self.freeze.hear(message)
        elif message.kind == protocol.FROZEN:  # nobody waits for it any more
            runner.send(protocol.GO_ON, {"error": None})
            self.calls.begin(runner)

    def fail_freeze(self, error: HetmigError) -> None:
        """Nobody needs to wait for the task to freeze."""
        if self.freeze is not None:
            self.freeze.fail(error)

    def report(self, what: str, payload: Sequence[Buffer] = (), **header: Any) -> None:
        """Tell the task's home node."""
        self.node.report(self.about, self.described(what, header), payload)

    def described(self, what: str, header: dict[str, Any]) -> dict[str, Any]:
        """A report of the task, as this node makes it."""
        epoch = max(self.handoff.owned, self.handoff.epoch)
        return {**header, "task": self.id, "epoch": epoch, "what": what}
