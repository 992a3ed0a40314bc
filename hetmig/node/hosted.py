"""One task on this node: its runner, its freeze, and both sides of its handoffs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hetmig.errors import (
    HetmigError,
    InMotion,
    MigrationRefused,
    NotMigratable,
    TaskLost,
)
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.calls import Calls
from hetmig.node.freezing import Freeze, checked_record, describe_hop, sealed
from hetmig.node.handoff import Act, Effect, Handoff, Note, State
from hetmig.node.link import Link
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message, describe_error, rebuild_error, want
from hetmig.node.services import Answer, Services
from hetmig.node.staging import Staging
from hetmig.node.tries import Tries
from hetmig.state.manifest import check_python, same_minor, this_python
from hetmig.state.parcel import open_sealed

__all__ = ["Hosted"]

_OF_END = ("n", "ok", "traceback", "kind", "portable")
_NUDGE_SECONDS = 0.5
_SELF_MOVE_SECONDS = 30.0
_SILENCE_SECONDS = 30.0
"""A destination that says nothing for so long after the task was committed to it has lost it, for
all that the task's submitter is concerned; it is asked on and on all the same."""


class Hosted:
    """A task this node runs, ran, or is about to run."""

    def __init__(self, node: Services, task: str) -> None:
        self.id = task
        self.about: dict[str, Any] = {}
        self.handoff = Handoff()
        self.forward: dict[str, Any] | None = None
        """The place it went to, after it has left."""
        self.calls = Calls()
        self._node = node
        self._runner: Runner | None = None
        self._begun = asyncio.Event()
        self._moving = asyncio.Lock()
        self._staging: Staging | None = None
        self._accepting: asyncio.Task[Any] | None = None
        self._freeze: Freeze | None = None
        self._keeping = False
        """Whether that freeze is for a checkpoint: it gives way to a move."""
        self._verdict: asyncio.Future[float] | None = None
        self._partner: Answer = lambda kind, header: None
        self._cancelled = False
        self._refusal: dict[str, Any] | None = None
        """What the destination said when it refused, in its own words."""

    @property
    def is_here(self) -> bool:
        """Whether this node owns the task."""
        return self.handoff.state in (State.RUNNING, State.FROZEN, State.COMMITTED)

    @property
    def is_known(self) -> bool:
        """Whether there is anything of it here, on its way in or out included, or reports open."""
        return self.is_here or self.handoff.state in (State.STAGING, State.STAGED)

    @property
    def is_running(self) -> bool:
        """Whether it is here and is more than data."""
        return self.is_here and self.about.get("what") != "object"

    @property
    def has_begun(self) -> bool:
        """Whether it has ever run here."""
        return self._begun.is_set()

    @property
    def runner(self) -> Runner | None:
        """What it runs in, or lies on, here."""
        return self._runner

    # A new task -------------------------------------------------------------------------------

    async def start(
        self,
        about: dict[str, Any],
        manifest: dict[str, Any],
        payload: Sequence[Buffer],
        runner: Runner | None = None,
    ) -> None:
        """Run a task that was submitted here, in a runner of the pool if none is given."""
        self.about, self.handoff = about, Handoff(State.RUNNING, about["epoch"])
        try:
            runner = runner or await self._node.pool.take()
            await self._stage(runner, about, manifest, payload)
        except HetmigError as error:
            self._end(error=describe_error(error))
            return
        if self._cancelled:
            runner.kill()
            return
        self._runner = runner
        runner.send(protocol.START, {})
        self._begun.set()
        self.calls.begin(runner)
        self._node.checkpoints.begun(self)

    def give_up(self, error: dict[str, Any]) -> None:
        """What was to begin at another node can't."""
        if self._runner is not None:
            self._runner.kill()
        self._end(error=error)

    async def cancel(self) -> bool:
        """End the task at once; False if it has ended by itself or is on another node now."""
        self._fail_freeze(NotMigratable("the task was cancelled"))
        self._perform(self.handoff.expire("the task was cancelled"))
        if self.handoff.state is State.RUNNING:
            return self._cancel()  # a move under way finds that out before it goes on
        async with self._moving:  # what was committed to another node is no more ours to end
            return self._cancel()

    def _cancel(self) -> bool:
        if self.handoff.state is not State.RUNNING:
            return False
        self._cancelled = True
        if self._runner is not None:
            self._runner.kill()
        self.handoff.end()
        self.calls.end()
        self._report("cancelled")
        return True

    async def _stage(
        self,
        runner: Runner,
        about: dict[str, Any],
        manifest: dict[str, Any],
        payload: Sequence[Buffer],
    ) -> None:
        """Let a runner build the task, without starting it.  Raises the runner's refusal."""
        self._staging = Staging(runner)
        runner.on_message = lambda message: self._from_runner(runner, message)
        await self._staging.done(about, manifest, payload)
        runner.exited.add_done_callback(lambda how: self._runner_ended(runner, how.result()))

    # Leaving ----------------------------------------------------------------------------------

    async def move(self, target: str, timeout: float, requested_by: str) -> dict[str, Any]:
        """Move the running task; the completed hop.  `timeout` (s) is for each of the two phases.

        Raises NotMigratable, MigrationRefused or NodeUnreachable; the task then goes on here.
        """
        with contextlib.suppress(TimeoutError):  # it may have been submitted just now
            async with asyncio.timeout(timeout):
                await self._begun.wait()
        if self._keeping:
            self._fail_freeze(InMotion("the task was about to move"))
        async with self._moving:
            tries = Tries(timeout)
            while True:
                self._require(State.RUNNING)
                link, welcome = await self._node.prepare(target, self.id, timeout)
                self._require(State.RUNNING)
                portable = not same_minor(welcome["python"], this_python())
                frozen = await self._frozen(timeout, portable)
                try:
                    return await self._hand_over(link, welcome, frozen, timeout, requested_by)
                except MigrationRefused as refusal:
                    if not portable:
                        raise
                    await tries.next(refusal)

    def _require(self, state: State) -> None:
        if self.handoff.state is State.ENDED:
            raise NotMigratable("the task has ended")
        if self.handoff.state is not state or self._runner is None:
            raise InMotion("the task is not running on this node now")

    async def _move_itself(self, frozen: Message) -> None:
        """The task called `hetmig.migrate`: it is frozen already, inside that call."""
        assert self._runner is not None
        target = want(frozen.header, "to", str)
        if self._freeze is not None:
            self._freeze.fail(InMotion("the task was about to move by itself"))
        if target in (self._node.here["name"], self._node.here["endpoint"]):
            self._runner.send(protocol.GO_ON, {"error": None})  # it is there already
            return
        async with self._moving:
            try:
                link, welcome = await self._node.prepare(target, self.id, _SELF_MOVE_SECONDS)
                self._require(State.RUNNING)
            except HetmigError as error:
                self._runner.send(protocol.GO_ON, {"error": describe_error(error)})
                return
            portable = want(frozen.header, "portable", bool, False)
            if not portable and not same_minor(welcome["python"], this_python()):
                self._runner.send(protocol.GO_ON, {"error": None, "again": "portable"})
                return
            with contextlib.suppress(HetmigError):  # the task itself was told
                await self._hand_over(link, welcome, frozen, _SELF_MOVE_SECONDS, "task")

    async def save(
        self, timeout: float, stop: bool, write: Callable[[Message], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Let `write` keep a copy of the running task, which goes on meanwhile; what it returns.

        With `stop` the task stands still until it is written, and is cancelled then.
        Raises NotMigratable with what was in the way, and what `write` raises.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._begun.wait()
        async with self._moving:
            self._require(State.RUNNING)
            frozen = await self._frozen(timeout, True, "stop" if stop else "copy")
            self._require(State.RUNNING)
            writing = write(frozen)
            if stop:
                return await self._saved_and_ended(writing)
        return await writing

    async def _saved_and_ended(self, writing: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        assert self._runner is not None
        try:
            saved = await writing
        except BaseException:
            self._runner.send(protocol.GO_ON, {"error": None})
            raise
        self._cancel()
        return saved

    async def _frozen(self, timeout: float, portable: bool, keep: str = "") -> Message:
        """The running task's frozen state.  Raises NotMigratable with what was in the way."""
        assert self._runner is not None
        self._freeze, self._keeping = Freeze(), bool(keep)
        try:
            return await self._freeze.of(self._runner, timeout, portable, keep)
        finally:
            self._freeze, self._keeping = None, False

    async def _hand_over(
        self,
        link: Link,
        welcome: dict[str, Any],
        frozen: Message,
        timeout: float,
        requested_by: str,
    ) -> dict[str, Any]:
        """The source's side of a handoff, to its end."""
        self._require(State.RUNNING)  # it may have been cancelled since it froze
        verdict = self._verdict = asyncio.get_running_loop().create_future()
        self._partner = link.post
        offer, *_ = self.handoff.offer()
        try:
            inclosed = self.calls.enclose(frozen, self.about)
            wire = sealed(*inclosed, offer.epoch, bytes.fromhex(welcome["session"]))
            self._node.keep(f"{self.about['name']}-{self.id}-{offer.epoch}", wire)
            header = {"task": self.id, "epoch": offer.epoch, "source": self._node.here}
            link.post(Note.OFFER.value, header, wire)
        except Exception as error:  # nothing was sent: too large, or not as agreed
            self._perform(self.handoff.expire(f"the task cannot be offered: {error}"))
        await self._decided(verdict, welcome["name"], timeout)
        owned = verdict.result()
        hop = describe_hop(frozen, self._node.here["name"], welcome, requested_by)
        hop.update(
            task=self.id,
            epoch=offer.epoch,
            freeze_s=owned - frozen.header["started"],
            bytes=sum(memoryview(frame).nbytes for frame in wire),
            place={item: welcome[item] for item in ("name", "endpoint", "key")},
        )
        self.forward = hop["place"]
        self._report("hop", hop=hop)
        return hop

    async def _decided(
        self, verdict: asyncio.Future[float], destination: str, timeout: float
    ) -> None:
        """Wait for the end of the handoff.  Once committed, nothing but an answer ends it."""
        expires = time.monotonic() + timeout
        silent = expires + _SILENCE_SECONDS
        while not verdict.done():
            await asyncio.wait([verdict], timeout=_NUDGE_SECONDS)
            if verdict.done():
                return
            if time.monotonic() > expires:
                reason = f"{destination} did not take the task within {timeout:g} s"
                self._perform(self.handoff.expire(reason))
            if time.monotonic() > silent:
                silent = float("inf")
                self._report("lost", reason=f"{destination} took the task and fell silent")
            self._perform(self.handoff.nudge())

    # Arriving ---------------------------------------------------------------------------------

    def receive(self, message: Message, answer: Answer, session: bytes) -> None:
        """A note of a handoff came in; `answer` sends one back."""
        note, epoch = Note(message.kind), want(message.header, "epoch", int)
        reason = want(message.header, "reason", str, "")
        if note is Note.REFUSED:
            self._refusal = want(message.header, "error", dict, None)
        effects = self.handoff.receive(note, epoch, reason)
        if any(effect.do is Act.STAGE for effect in effects):
            self._partner = answer
            source = want(message.header, "source", dict)
            another = self._node.answer_to(source, message.user) or answer
            accept = self._accept(epoch, message.payload, session, (another, answer))
            self._perform(effects, answer, accept)
            return
        self._perform(effects, answer)

    async def _accept(
        self, epoch: int, wire: Sequence[Buffer], session: bytes, ways: Sequence[Answer]
    ) -> None:
        """The destination's side of a handoff up to STAGED, and then asking until it is decided.

        The connection on which the offer came may break: so it asks in more than one way.
        """
        try:
            parcel = open_sealed(wire, session)
            about = checked_record(parcel.manifest, self.id, epoch)
            if about.get("what") != "object":  # which nobody unpickles here
                check_python(parcel.manifest)
            frames = self.calls.disclose(about, parcel.frames)
            runner = await self._place(about, parcel.manifest, frames)
            self._runner = runner
            await self._stage(runner, about, parcel.manifest, frames)
        except HetmigError as error:
            reason = error.reason if isinstance(error, NotMigratable) else str(error)
            self._refusal = describe_error(error)
            self._perform(self.handoff.refuse(epoch, reason))
            return
        self.about, self._cancelled = about, False
        self._perform(self.handoff.staged(epoch))
        pause = _NUDGE_SECONDS
        for way in itertools.cycle(ways):
            await asyncio.sleep(pause)
            if self.handoff.state is not State.STAGED or self.handoff.epoch != epoch:
                return
            pause = min(2 * pause, 10.0)
            self._perform(self.handoff.nudge(), way)

    async def _place(
        self, about: dict[str, Any], manifest: dict[str, Any], frames: Sequence[Any]
    ) -> Runner:
        """Where what has been offered is to run, or to lie."""
        if about.get("what") == "object":
            shelf: Runner = self._node.shelf(manifest, sum(frame.nbytes for frame in frames))
            return shelf
        return await self._node.reserved(self.id)

    # Both -------------------------------------------------------------------------------------

    def _perform(
        self,
        effects: Sequence[Effect],
        answer: Answer | None = None,
        accept: Any = None,
    ) -> None:
        """Do what the handoff decided, in order."""
        for effect in effects:
            match effect.do:
                case Note():
                    header = {"task": self.id, "epoch": effect.epoch, "reason": effect.reason}
                    if effect.do is Note.REFUSED:
                        header["error"] = self._refusal
                    (answer or self._partner)(effect.do.value, header)
                case Act.STAGE:
                    self._accepting = spawn(accept)
                case Act.DISCARD:
                    self._discard()
                case Act.RUN:
                    assert self._runner is not None
                    self._runner.send(protocol.START, {})
                    self._begun.set()
                    self.calls.begin(self._runner)
                    self.forward = None
                    self._report("arrived", place=self._node.here)
                    self._node.checkpoints.begun(self)
                case Act.GO_ON:
                    self._go_on(effect.reason)
                case Act.DEPART | Act.LOSE:
                    self._depart(effect)

    def _discard(self) -> None:
        if self._accepting is not None and self._accepting is not asyncio.current_task():
            self._accepting.cancel()
        if self._runner is not None:
            self._runner.kill()
        self._runner = None

    def _go_on(self, reason: str) -> None:
        assert self._runner is not None
        assert self._verdict is not None
        error = _refused(reason, self._refusal)
        self._refusal = None
        self._verdict.set_exception(error)
        self._runner.send(protocol.GO_ON, {"error": describe_error(error)})
        self.calls.begin(self._runner)
        if self._runner.exited.done():  # it died while it was frozen, and now nobody has the task
            self._runner_ended(self._runner, self._runner.exited.result())

    def _depart(self, effect: Effect) -> None:
        assert self._runner is not None
        assert self._verdict is not None
        self._runner.send(protocol.GONE, {})
        self.calls.left()
        if effect.do is Act.DEPART:
            self._verdict.set_result(time.monotonic())
        else:
            lost = TaskLost(f"the destination lost the task: {effect.reason}")
            self._verdict.set_exception(lost)
            self._report("lost", reason=lost.message)

    # The runner -------------------------------------------------------------------------------

    def _from_runner(self, runner: Runner, message: Message) -> None:
        header = message.header
        match message.kind:
            case protocol.OUTPUT:
                self._report("output", message.payload, n=header["n"], stream=header["stream"])
            case protocol.PROGRESS:
                self._report("progress", progress=header["progress"])
            case protocol.STAGED | protocol.REFUSED:
                # The word of an earlier attempt's runner, killed meanwhile, is not this one's.
                if self._staging is not None and self._staging.runner is runner:
                    self._staging.hear(message)
            case protocol.ANSWER:
                self.calls.answered(message)
            case protocol.ASK:
                spawn(self._node.asked(runner, message))
            case protocol.DONE:
                self._end(message)
                runner.send(protocol.BYE, {})
            case protocol.FROZEN if "to" in header:
                spawn(self._move_itself(message))
            case protocol.CHECKPOINT:
                spawn(self._node.checkpoints.asked(self, message))
            case protocol.SNAPSHOT if "request" not in header:
                spawn(self._node.checkpoints.own(self, runner, message))
            case protocol.FROZEN | protocol.FREEZING | protocol.DECLINED | protocol.SNAPSHOT:
                self._of_freeze(runner, message)

    def _of_freeze(self, runner: Runner, message: Message) -> None:
        if self._freeze is not None and self._freeze.request == message.header.get("request"):
            self._freeze.hear(message)
        elif message.kind == protocol.FROZEN:  # nobody waits for it any more
            runner.send(protocol.GO_ON, {"error": None})
            self.calls.begin(runner)

    def _end(self, message: Message | None = None, error: dict[str, Any] | None = None) -> None:
        """The task came to its end here, by itself (`message`) or before it began (`error`)."""
        if self.handoff.state is not State.RUNNING:
            return
        self.handoff.end()
        self._begun.set()
        self.calls.end()
        self._fail_freeze(NotMigratable("the task has ended"))
        header = message.header if message else {"n": 1, "ok": False, "traceback": ""}
        chosen = {item: header[item] for item in _OF_END if item in header}
        payload = message.payload if message else []
        self._report(
            "end", payload, **chosen, hops=self.about["hops"], error=error, python=this_python()
        )
        if chosen["ok"]:
            self._node.checkpoints.ended(self)

    def _runner_ended(self, runner: Runner, how: str) -> None:
        """Its process is gone.  A frozen task may still live on at its destination."""
        if runner is not self._runner:
            return
        self._fail_freeze(TaskLost(f"the runner {how}"))
        if self.handoff.state is State.RUNNING:
            self.handoff.end()
            self.calls.end()
            self._report("lost", reason=f"the process that ran task {self.id} {how}")
        elif self.handoff.state is State.STAGED:
            self._perform(self.handoff.refuse(self.handoff.epoch, f"the runner {how}"))

    def _fail_freeze(self, error: HetmigError) -> None:
        if self._freeze is not None:
            self._freeze.fail(error)

    def _report(self, what: str, payload: Sequence[Buffer] = (), **header: Any) -> None:
        epoch = max(self.handoff.owned, self.handoff.epoch)
        header = {"task": self.id, "epoch": epoch, "what": what, **header}
        self._node.report(self.about, header, payload)


def _refused(reason: str, described: dict[str, Any] | None) -> MigrationRefused:
    """A refusal, as the error which the destination met if it says more than the reason."""
    error = None if described is None else rebuild_error(described)
    if isinstance(error, MigrationRefused) and error.reason == reason:
        return error
    return MigrationRefused(reason)
