"""One task in its runner process, as the Dask worker sees it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

from hetmig.dask.record import State
from hetmig.errors import HetmigError, NotMigratable, TaskLost
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.freezing import Freeze, manifest_of
from hetmig.node.pool import Pool, Runner
from hetmig.node.protocol import Message
from hetmig.node.staging import Staging

__all__ = ["Program"]

_NOT_HERE = "tasks on Dask have no {what}: that needs hetmig's own nodes (`hetmig node`)"


class Program:
    """A task that is staged, runs, or stands still to be taken away."""

    def __init__(self, runner: Runner | None, state: State) -> None:
        self.about = {**state.about}
        self._runner = runner
        self.ended: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        """What it ended with; or why it does not end here."""
        self.moving = asyncio.Lock()
        self.own_copy: Any = None
        """Keeps a copy that the task has made itself."""
        self.ask_for_copy: Any = None
        self._freeze: Freeze | None = None
        self._staging: Staging | None = None
        # nobody may come to look at how it ended
        self.ended.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    @classmethod
    async def staged(cls, pool: Pool, state: State) -> Program:
        """Put a task together, without starting it.  Raises HetmigError with the refusal."""
        if "outcome" in state.manifest:
            program = cls(None, state)
            outcome = Message(protocol.DONE, state.manifest["outcome"], list(state.frames))
            program.ended.set_result(outcome)
            return program
        runner = await pool.take()
        program = cls(runner, state)
        program._staging = Staging(runner)
        runner.about = program.about
        runner.on_message = program._hear
        program._staging.begin(program.about, state.manifest, state.frames)
        await program._staging.done()
        runner.exited.add_done_callback(lambda how: program._runner_ended(how.result()))
        return program

    @property
    def runner(self) -> Runner:
        """Its process."""
        assert self._runner is not None, "it has ended"
        return self._runner

    def start(self) -> None:
        """Let it run."""
        self.runner.send(protocol.START, {})

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or is not ours any more."""
        return self.ended.done()

    @property
    def is_good(self) -> bool:
        """Whether there is something to go on with, or how it ended."""
        return not self.ended.done() or self.ended.exception() is None

    async def frozen(self, timeout: float, *, stop: bool) -> tuple[Message, State]:
        """Its state; with `stop` it stands still until `go_on` or `leave`.

        Raises NotMigratable with what was in the way.
        """
        if self.is_over:
            raise NotMigratable("the task has ended", ended=1)
        self._freeze = Freeze()
        try:
            keep = "stop" if stop else "copy"
            message = await self._freeze.of(self.runner, timeout, True, keep)
        finally:
            self._freeze = None
        return message, self.state_of(message)

    def state_of(self, message: Message) -> State:
        """What the runner has sent, with the task's record."""
        self.about["events"] = protocol.want(message.header, "events", int)
        manifest = manifest_of(message, dict(self.about))
        return State(manifest, message.payload)

    def go_on(self, error: HetmigError | None = None) -> None:
        """It stays here after all."""
        described = None if error is None else protocol.describe_error(error)
        self.runner.send(protocol.GO_ON, {"error": described})

    def leave(self, because: BaseException) -> None:
        """End its process at once; who waits for it is told `because`."""
        if not self.ended.done():
            self.ended.set_exception(because)
        if self._freeze is not None:
            self._freeze.fail(NotMigratable("the task is not here any more", ended=1))
        if self._runner is not None:
            self._runner.kill()

    def _runner_ended(self, how: str) -> None:
        lost = TaskLost(
            f"the process that ran the task {how}; with `retries=` Dask starts it again, from its "
            "last checkpoint if there is one"
        )
        if self._freeze is not None:
            self._freeze.fail(lost)
        if not self.ended.done():
            self.ended.set_exception(lost)

    def _hear(self, message: Message) -> None:
        header = message.header
        match message.kind:
            case protocol.OUTPUT:
                _write(header["stream"], message.payload)
            case protocol.STAGED | protocol.REFUSED if self._staging is not None:
                self._staging.hear(message)
            case protocol.DONE:
                self._done(message)
            case protocol.FROZEN if "to" in header:
                self.go_on(NotMigratable(_NOT_HERE.format(what="hetmig.migrate") + _MOVE))
            case protocol.SNAPSHOT if "request" not in header:
                spawn(self._keep_own(message))
            case protocol.CHECKPOINT if self.ask_for_copy is not None:
                spawn(self.ask_for_copy())
            case protocol.FROZEN | protocol.FREEZING | protocol.DECLINED | protocol.SNAPSHOT:
                self._of_freeze(message)
            case protocol.ASK | protocol.FILE:
                self._refuse(message)

    def _done(self, message: Message) -> None:
        self.runner.send(protocol.BYE, {})
        if not self.ended.done():
            self.ended.set_result(message)
        if self._freeze is not None:
            self._freeze.fail(NotMigratable("the task has ended", ended=1))

    def _of_freeze(self, message: Message) -> None:
        if self._freeze is not None and self._freeze.request == message.header.get("request"):
            self._freeze.hear(message)
        elif message.kind == protocol.FROZEN:  # nobody waits for it any more
            self.go_on()

    async def _keep_own(self, message: Message) -> None:
        error = None
        try:
            await self.own_copy(self.state_of(message))
        except HetmigError as failed:
            error = protocol.describe_error(failed)
        self.runner.send(protocol.SAVED, {"error": error})

    def _refuse(self, message: Message) -> None:
        """What a node would answer; without an answer the task would wait for ever."""
        number = protocol.want(message.header, "number", int)
        if message.kind == protocol.ASK:
            what = protocol.want(message.header, "kind", str)
            error = protocol.describe_error(HetmigError(_NOT_HERE.format(what=repr(what))))
            self.runner.send(protocol.REPLY, {"re": number, "error": error})
        else:
            what = "files that stay open at a node"
            error = protocol.describe_error(HetmigError(_NOT_HERE.format(what=what)))
            self.runner.send(protocol.FILED, {"re": number, "told": {"error": error}})


_MOVE = "; from outside, hetmig.dask.move(future, worker) moves it"


def _write(name: str, pieces: list[protocol.Buffer]) -> None:
    """What the task prints goes where its worker's output goes."""
    stream = getattr(sys, name)
    data = b"".join(bytes(piece) for piece in pieces)
    with contextlib.suppress(OSError, ValueError):  # the worker's own output is closed
        if hasattr(stream, "buffer"):
            stream.flush()
            stream.buffer.write(data)
        else:
            stream.write(data.decode(errors="replace"))
        stream.flush()
