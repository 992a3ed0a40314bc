"""A task, seen from the event loop that submitted it: a future that can be asked to move."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.aio import references
from hetmig.connection import End, Follower
from hetmig.errors import AlreadyThere, HetmigError, TaskLost
from hetmig.handing_in import place_of
from hetmig.heard import Heard, Watched
from hetmig.journey import Checkpoint, Hop, Replica
from hetmig.listings import TaskInfo, task_info
from hetmig.messages import TaskRef
from hetmig.submitted import settle

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # which mypy and pyright know without its being installed

    from hetmig.aio.nodes import Nodes
    from hetmig.report import Report

    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    V = TypeVar("V")

__all__ = ["Task"]

_log = logging.getLogger("hetmig")


class Task(Watched, asyncio.Future[V]):
    """A task, wherever it is.  Awaiting it gives its result, or raises its exception.

    An `asyncio.Future` in all other respects: for `gather`, `wait`, `as_completed`, `shield`.
    """

    def __init__(self, nodes: Nodes, task: str, name: str) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.id = task
        self.name = name
        self._nodes = nodes
        self._heard = Heard(lambda: nodes.echo)
        self._beginning: asyncio.Future[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<hetmig.aio.Task {self.id} {self.name} {self.state}>"

    def __reduce__(self) -> Any:
        return TaskRef(*self._address, None).__reduce__()

    @property
    def state(self) -> str:
        """As `TaskInfo.state` says it, as far as we have heard."""
        return "cancelled" if self.cancelled() else self._heard.state

    async def begun(self) -> Task[V]:
        """Wait until its node has taken it in.  Raises what was in the way; see `Nodes.submit`."""
        if self._beginning is not None:
            await asyncio.shield(self._beginning)
        return self

    def cancel(self, msg: Any | None = None) -> bool:
        """End the task at once, without letting it clean up.  False if it has ended already.

        As with a task of asyncio it takes a moment until it is `cancelled()`: until its node has
        confirmed that it has ended.
        """
        if self.done():
            return False
        if self._ending is None:
            self._ending = self._nodes._spawn(self._end_remotely(msg))
        return True

    async def _end_remotely(self, msg: Any | None) -> None:
        try:
            await self.begun()
            await self._nodes._connection.cancel(self.id)
        except TaskLost:
            pass  # it has ended, or never begun
        except HetmigError as error:
            if not self.done():
                _log.warning("task %s may go on, it could not be told to end: %s", self.id, error)
        finally:
            super().cancel(msg)

    async def move(self, to: str, timeout: float = 10.0) -> Hop:
        """Move the task to the node `to` (name or endpoint) and wait until it runs there.

        As `hetmig.Task.migrate`: raises NotMigratable, MigrationRefused or NodeUnreachable with the
        reason; the task then goes on where it was.
        """
        await self.begun()
        try:
            return Hop.from_json(await self._nodes._connection.move(self.id, to, timeout))
        except AlreadyThere:
            if journey := await self.journey():
                return journey[-1]
            raise

    migrate = move

    async def rehome(self, to: str, timeout: float = 10.0) -> bool:
        """Let the node `to` be the task's home; see `hetmig.Nodes.rehome`."""
        await self.begun()
        return bool((await self._nodes._connection.rehome(self.id, to, timeout))["told"])

    async def replicate(
        self, to: str | None, *, every: float = 5.0, timeout: float = 30.0
    ) -> Replica | None:
        """Keep a warm copy of the task at the node `to`; see `hetmig.Task.replicate`."""
        await self.begun()
        told = await self._nodes._connection.replicate(self.id, to, float(every), timeout)
        return Replica.from_json(told) if told else None

    async def send(self, value: object, timeout: float | None = None) -> references.SentMessage:
        """Send the task a message, wherever it is; returns when its mailbox has accepted it."""
        await self.begun()
        return await references.send(self._nodes, self._address, value, timeout)

    async def request(self, value: object, timeout: float | None = None) -> Any:
        """Send the task a request and wait for its reply, at most `timeout` s (TimeoutError)."""
        await self.begun()
        return await references.request(self._nodes, self._address, value, timeout)

    @property
    def _address(self) -> tuple[str, str, dict[str, Any]]:
        return self.id, self.name, self._nodes._home

    async def checkpoint(
        self,
        to: str | os.PathLike[str] | None = None,
        *,
        keep: int | None = None,
        timeout: float = 10.0,
        stop: bool = False,
    ) -> Checkpoint:
        """Keep a copy of the task, from which `Nodes.resume` can start it again; it goes on.

        As `hetmig.Task.checkpoint`.
        """
        await self.begun()
        wanted = {"to": None if to is None else place_of(to), "keep": keep, "stop": stop}
        connection = self._nodes._connection
        return Checkpoint.from_json(await connection.checkpoint(self.id, wanted, timeout))

    async def last_checkpoint(self) -> Checkpoint | None:
        """The newest one that its home node has heard of."""
        summary = self._heard.summary
        if not self._nodes._closed:  # it may have been written after the task's end
            await self.begun()
            summary = await self._nodes._connection.summary(self.id)
        saved = summary.get("checkpoint")
        return None if saved is None else Checkpoint.from_json(saved)

    async def divide(self, parts: int, to: str | Sequence[str] = (), timeout: float = 10.0) -> int:
        """Divide the loop it is in over `hetmig.divisible(...)`; see `hetmig.Task.divide`."""
        await self.begun()
        names = [to] if isinstance(to, str) else list(to)
        return await self._nodes._connection.divide(self.id, parts, names, timeout)

    async def where(self) -> str:
        """The name of the node it is on, or was last."""
        return str((await self._fresh())["node"])

    async def journey(self) -> list[Hop]:
        """All its completed moves, in order."""
        if self._is_settled():
            summary = self._heard.summary
        else:
            await self.begun()
            summary = await self._nodes._connection.whole(self.id)
        return [Hop.from_json(hop) for hop in summary["hops"]]

    async def report(self) -> Report:
        """What became of it so far: `(await task.report()).save("report.html")` is a page."""
        from hetmig.report import report_from

        await self.begun()
        summary = await self._nodes._connection.whole(self.id)
        return report_from(self._nodes.name, [summary], await self._nodes.nodes(), [self.id])

    async def info(self) -> TaskInfo:
        """All in one: where it is, its state, its progress."""
        return task_info(await self._fresh())

    def _is_settled(self) -> bool:
        """Whether there is nothing to be asked: what was heard is the last there is to hear."""
        known = self._heard.summary
        ended = self.done() and known["state"] != "running"  # else that is still to be told
        return "node" in known and (ended or self._nodes._closed)

    async def _fresh(self) -> dict[str, Any]:
        if self._is_settled():
            return self._heard.summary
        await self.begun()
        return await self._nodes._connection.summary(self.id)

    def add_output_callback(self, callback: Callable[[str, str], object]) -> None:
        """Call `callback(stream, text)`, stream being "stdout" or "stderr", for what it writes.

        What it wrote before comes first.  With a callback, nothing is echoed any more.
        """
        self._heard.add_output_callback(callback)

    async def output(self) -> AsyncIterator[tuple[str, str]]:
        """What it writes, as pairs of "stdout" or "stderr" and text, until it has ended.

        What it wrote before comes first.  Nothing is echoed meanwhile.
        """
        pieces: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()

        def written(stream: str, text: str) -> None:
            pieces.put_nowait((stream, text))

        def ended(_: object) -> None:
            pieces.put_nowait(None)

        self._heard.add_output_callback(written)
        self.add_done_callback(ended)
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
        finally:
            self.remove_done_callback(ended)
            self._heard.output_callbacks.remove(written)

    # What the connection tells ------------------------------------------------------------------

    def _follower(self) -> Follower:
        later = self.get_loop().call_soon  # a callback that fails is none of the connection's
        return Follower(
            output=lambda stream, data: _nothing(later(self._heard.output, stream, data)),
            changed=lambda summary: _nothing(later(self._heard.changed, summary)),
            ended=lambda end: _nothing(later(self._ended, end)),
        )

    def _ended(self, end: End) -> None:
        self._nodes._forget(self)
        if self.done():
            return
        if self.state == "cancelled":
            super().cancel()
            return
        try:
            settle(self, end, f"the outcome of task {self.id}", None)
        except TypeError as error:  # no future of asyncio can hold a StopIteration
            self.set_exception(RuntimeError(f"the task's exception can't be awaited: {error}"))

    def _failed(self, error: BaseException) -> None:
        self._nodes._forget(self)
        if isinstance(error, asyncio.CancelledError):
            super().cancel()
        elif not self.done():
            self.set_exception(error)


def _nothing(_: object) -> None:
    return None
