"""One task on this node: its runner, and what the handoff decides about it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from hetmig.errors import HetmigError, InMotion, JournalError, NotMigratable, TaskLost
from hetmig.node import protocol
from hetmig.node.arriving import Arriving, Offer
from hetmig.node.background import spawn
from hetmig.node.calls import Calls
from hetmig.node.events import happened
from hetmig.node.freezing import Freeze, manifest_of
from hetmig.node.handoff import Act, Effect, Handoff, Note, State
from hetmig.node.journal import Row
from hetmig.node.leaving import Leaving, refused
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message, describe_error, want
from hetmig.node.saving import Saving
from hetmig.node.services import Answer, Services
from hetmig.node.shelf import Shelf
from hetmig.node.staging import Staging
from hetmig.node.steps import step
from hetmig.node.timeline import Timeline, checked, merged
from hetmig.node.unreported import Report, provisional
from hetmig.state.manifest import this_python
from hetmig.state.parcel import seal

__all__ = ["Hosted"]

_log = logging.getLogger("hetmig")

_OF_END = ("n", "ok", "traceback", "kind", "portable")
_STEP_OF = {Note.STAGED: "staged", Note.COMMIT: "commit", Note.OWNED: "owned"}
_WAITS = {
    (State.FROZEN, Note.STAGED): "offer",
    (State.STAGED, Note.COMMIT): "commit",
    (State.COMMITTED, Note.OWNED): "commit",
}
"""What has lasted until this note came."""
_DISK_SECONDS = 1.0
"""After which something that could not be written to the disk is tried again."""


class Hosted:
    """A task this node runs, ran, or is about to run."""

    def __init__(self, node: Services, task: str) -> None:
        self.id = task
        self.about: dict[str, Any] = {}
        self.handoff = Handoff()
        self.forward: dict[str, Any] | None = None
        """The place it went to, after it has left."""
        self.calls = Calls()
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
        self.cancelled = False
        self.refusal: dict[str, Any] | None = None
        """What the destination said when it refused, in its own words."""
        self.peer: dict[str, Any] = {}
        """The other side of the newest handoff: its place, the destination's memory, the hop."""
        self.restaging = False
        """Whether it is staged, according to the journal, and its runner not yet back."""
        self.image: int | None = None
        """The epoch of what the journal keeps to restart the task from."""
        self.reports: list[Report] = []
        """What came along from where the task was before."""
        self.timeline = Timeline(task)
        self._staging: Staging | None = None
        self._accepting: asyncio.Task[Any] | None = None
        self._leaving = Leaving(self)
        self._arriving = Arriving(self)

    @property
    def is_here(self) -> bool:
        """Whether this node owns the task."""
        return self.handoff.state in (State.RUNNING, State.FROZEN, State.COMMITTED)

    @property
    def is_known(self) -> bool:
        """Whether there is anything of it here, on its way in or out included."""
        return self.is_here or self.handoff.state in (State.STAGING, State.KEPT, State.STAGED)

    @property
    def is_running(self) -> bool:
        """Whether it is here and is more than data."""
        return self.is_here and self.about.get("what") != "object"

    @property
    def has_begun(self) -> bool:
        """Whether it has ever run here."""
        return self.begun.is_set()

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
            self.end(error=describe_error(error))
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
        await self.keep_image(about["epoch"], manifest, payload)
        self.record(also)

    def begin(self, runner: Runner) -> None:
        """What is staged was not handed over to us: it was submitted, or restarts."""
        if self.cancelled:
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
        self.end(error=error)

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

    async def cancel(self) -> bool:
        """End the task at once; False if it has ended by itself or is on another node now."""
        self.fail_freeze(NotMigratable("the task was cancelled"))
        self.take(lambda: self.handoff.expire("the task was cancelled"))
        if self.handoff.state is State.RUNNING:
            return self.cancel_here()  # a move under way finds that out before it goes on
        async with self.moving:  # what was committed to another node is no more ours to end
            return self.cancel_here()

    def cancel_here(self, because: str = "") -> bool:
        """End it at once, if it is running on this node; `because`: nobody has wished for that."""
        if self.handoff.state is not State.RUNNING:
            return False
        self.cancelled = True
        if self.runner is not None:
            self.runner.kill()
        if because:
            self._conclude("lost", reason=because)
        else:
            self._conclude("cancelled")
        return True

    async def stage(
        self,
        runner: Runner,
        about: dict[str, Any],
        manifest: dict[str, Any],
        payload: Sequence[Buffer],
    ) -> None:
        """Let a runner build the task, without starting it.  Raises the runner's refusal."""
        self._staging, runner.about = Staging(runner), about
        runner.on_message = lambda message: self._from_runner(runner, message)
        await self._staging.done(about, manifest, payload)
        runner.exited.add_done_callback(lambda how: self._runner_ended(runner, how.result()))

    # Notes of a handoff -----------------------------------------------------------------------

    def receive(self, message: Message, answer: Answer, session: bytes, remembers: bool) -> None:
        """A note of a handoff came in; `answer` sends one back.

        `remembers`: whether this node knows all that it knew when it was made an offer.
        """
        note, epoch = Note(message.kind), want(message.header, "epoch", int)
        reason = want(message.header, "reason", str, "")
        step("receive", note.value)
        if note is Note.REFUSED:
            self.refusal = want(message.header, "error", dict, None)
        accept = also = None
        self._time(note, epoch)
        if note is Note.OWNED and self.handoff.state is State.COMMITTED:
            hop = self._completed_hop(checked(message.header.get("steps")))
            also = functools.partial(self.node.keep_report, self.about, hop, ())
        if note is Note.OFFER:
            source = want(message.header, "source", dict)
            another = self.node.answer_to(source, message.user) or answer
            offer = Offer(epoch, message.payload, session, source)
            accept = functools.partial(self._arriving.accept, offer, (another, answer))
        self.take(
            lambda: self.handoff.receive(note, epoch, reason, remembers=remembers),
            answer,
            accept=accept,
            also=also,
        )

    def _time(self, note: Note, epoch: int) -> None:
        """Where the time goes: this note ends a wait, or begins an attempt."""
        if note is Note.OFFER and epoch > self.handoff.newest:
            self.timeline.begin(epoch)
        wait = _WAITS.get((self.handoff.state, note))
        if wait is not None and epoch == self.handoff.epoch:
            self.timeline.mark(wait)

    def _completed_hop(self, there: list[tuple[str, float]]) -> dict[str, Any]:
        """The report of the handoff under way, which is successful with this very note."""
        hop = self.peer["hop"]
        hop["steps"] = merged(self.timeline.steps(self.handoff.epoch), there)
        self.timeline.end()
        if (frozen_at := self.peer.get("frozen_at")) is not None:
            hop["freeze_s"] = time.monotonic() - frozen_at
        else:  # before a crash; that clock may have begun anew since
            hop["freeze_s"] = time.time() - hop["start_time"]
        return self._about_us("hop", {"hop": hop})

    # Steps ------------------------------------------------------------------------------------

    def take(
        self,
        transition: Callable[[], list[Effect]],
        answer: Answer | None = None,
        accept: Callable[[], Any] | None = None,
        offer: Callable[[], None] | None = None,
        also: Callable[[], None] | None = None,
    ) -> bool:
        """Make a transition of the handoff, and do what it decides, in order.

        `accept` and `offer` are what is to be done for STAGE and OFFER, `also` is written with the
        record.  False if what must be on the disk could not be written; see `handoff`.
        """
        before = self.handoff.saved
        for number, effect in enumerate(transition()):
            if effect.do is Act.RECORD:
                try:
                    self.record(also)
                except JournalError as error:
                    _log.error("task %s: %s", self.id, error)
                    if number == 0:
                        self.handoff = Handoff.restored(before)
                    return False
                self.timeline.mark("record")
            elif effect.do is Note.OFFER and offer is not None:
                offer()
            elif isinstance(effect.do, Note):
                self._tell(effect.do, effect, answer or self.partner)
            else:
                self._act(effect, accept)
        return True

    def _tell(self, note: Note, effect: Effect, answer: Answer) -> None:
        header = {"task": self.id, "epoch": effect.epoch, "reason": effect.reason}
        if note is Note.REFUSED:
            header["error"] = self.refusal
        elif note is Note.COMMIT:
            header["memory"] = self.peer.get("memory")
        elif note is Note.OWNED:
            header["steps"] = self.timeline.steps(effect.epoch)
            self.timeline.end()
        if note in _STEP_OF:
            step(_STEP_OF[note])
        answer(note.value, header)

    def _act(self, effect: Effect, accept: Callable[[], Any] | None) -> None:
        match effect.do:
            case Act.STAGE:
                assert accept is not None
                self._accepting = spawn(accept())
            case Act.DISCARD:
                self._discard(effect.reason)
            case Act.RUN:
                self.run()
            case Act.GO_ON:
                self.go_on(effect.reason)
            case Act.RESTART:
                spawn(self._arriving.restart())
            case Act.DEPART | Act.LOSE:
                self._depart(effect)

    def record(self, also: Callable[[], None] | None = None) -> None:
        """Put on the disk what this node is to the task.  Raises JournalError."""
        state = self.handoff.state
        if not self.is_known or state is State.STAGING:
            self.image = None
        forward = self.peer["place"] if state is State.GONE else self.forward
        peer = {name: value for name, value in self.peer.items() if name != "frozen_at"}
        row = Row(self.handoff.saved, self.about, peer, forward, self.image)
        self.node.journal.record(self.id, row, also)

    async def keep_image(
        self, epoch: int, manifest: dict[str, Any], payload: Sequence[Buffer]
    ) -> None:
        """Keep what the task can be restarted from, with the next record.  Raises JournalError."""
        journal = self.node.journal
        if journal.is_durable:
            wire = seal(manifest, payload, None)
            file = None
            if not journal.is_small(wire):
                file = await asyncio.to_thread(journal.write_file, wire)
            journal.keep_image(self.id, epoch, wire, file)
            if self.handoff.epoch == epoch:  # and no later offer has come meanwhile
                self.image = epoch
            step("image-written")

    async def keep_standing(self, frozen: Message) -> None:
        """Keep the frozen task in the journal as it stands: the next start goes on from there.

        Raises JournalError.
        """
        inclosed, about = self.calls.enclose(frozen, self.about)
        about = {**about, "events": want(frozen.header, "events", int), "standing": True}
        manifest = manifest_of(inclosed, about)
        await self.keep_image(self.handoff.epoch, manifest, inclosed.payload)
        self.record()
        self.node.journal.sync()  # also if nothing but the image is new

    def fence(self, epoch: int) -> None:
        """The task was restarted elsewhere under this epoch: this copy is void."""
        self.take(lambda: self.handoff.fence(epoch))

    def _discard(self, reason: str) -> None:
        if self._accepting is not None and self._accepting is not asyncio.current_task():
            self._accepting.cancel()
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
        error = refused(reason, self.refusal)
        self.refusal = None
        if self.verdict is not None and not self.verdict.done():
            self.verdict.set_exception(error)
        if self.runner is None:  # a crash took it since
            spawn(self._arriving.restart())
            return
        self.runner.send(protocol.GO_ON, {"error": describe_error(error)})
        self.calls.begin(self.runner)
        if self.runner.exited.done():  # it died while it was frozen, and now nobody has the task
            self._runner_ended(self.runner, self.runner.exited.result())

    def _depart(self, effect: Effect) -> None:
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
        self.image = row.image
        self.handoff, effects = Handoff.recovered(row.saved)
        place = self.peer.get("place")
        way = self.node.answer_to(place, place["key"].encode()) if place else None
        if way is not None:
            self.partner = way
        self.restaging = self.handoff.state in (State.KEPT, State.STAGED)
        if self.handoff.state in (State.STAGED, State.COMMITTED):
            spawn(self._arriving.insist([self.partner]))
        self.take(lambda: effects, accept=self._arriving.stage_again)

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
                self.end(message)
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

    def end(self, message: Message | None = None, error: dict[str, Any] | None = None) -> None:
        """The task came to its end here, by itself (`message`) or before it began (`error`)."""
        if self.handoff.state is not State.RUNNING:
            return
        self.begun.set()
        self.fail_freeze(NotMigratable("the task has ended"))
        header = message.header if message else {"n": 1, "ok": False, "traceback": ""}
        chosen = {item: header[item] for item in _OF_END if item in header}
        payload = message.payload if message else []
        self._conclude(
            "end", payload, **chosen, hops=self.about["hops"], error=error, python=this_python()
        )

    def lose(self, reason: str) -> None:
        """The task will not come to an end of its own."""
        self._conclude("lost", reason=reason)

    def _conclude(self, what: str, payload: Sequence[Buffer] = (), **header: Any) -> None:
        """The task ends here: first that is on the disk, together with how, then others hear it."""
        if self.handoff.state is not State.RUNNING:
            return
        header = {"time": time.time(), **self.calls.end(self.about), **header}
        report = self._about_us(what, header)
        keep = functools.partial(self.node.keep_report, self.about, report, payload)
        if not self.take(self.handoff.end, also=keep):
            again = functools.partial(self._conclude, what, payload, **header)
            asyncio.get_running_loop().call_later(_DISK_SECONDS, again)
            return
        if self.runner is not None:
            self.runner.send(protocol.BYE, {})
        how = what if what != "end" else "done" if report.get("ok") else "failed"
        happened("ended", self.id, report["epoch"], how=how)
        self.node.report(self.about, report, payload)
        if report.get("ok"):
            self.node.checkpoints.ended(self)

    def _runner_ended(self, runner: Runner, how: str) -> None:
        """Its process is gone.  A frozen task may still live on at its destination."""
        if runner is not self.runner:
            return
        self.fail_freeze(TaskLost(f"the runner {how}"))
        if self.handoff.state is State.RUNNING:
            self.lose(f"the process that ran task {self.id} {how}")
        elif self.handoff.state is State.STAGED:
            self.take(lambda: self.handoff.refuse(self.handoff.epoch, f"the runner {how}"))

    def fail_freeze(self, error: HetmigError) -> None:
        """Nobody needs to wait for the task to freeze."""
        if self.freeze is not None:
            self.freeze.fail(error)

    def report(self, what: str, payload: Sequence[Buffer] = (), **header: Any) -> None:
        """Tell the task's home node."""
        self.node.report(self.about, self._about_us(what, header), payload)

    def _about_us(self, what: str, header: dict[str, Any]) -> dict[str, Any]:
        epoch = max(self.handoff.owned, self.handoff.epoch)
        return {**header, "task": self.id, "epoch": epoch, "what": what}
