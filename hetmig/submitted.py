"""A submitted task, seen from where it was submitted: a future that can be asked to move."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from hetmig import connection
from hetmig.errors import AlreadyThere, HetmigError, RemoteTraceback
from hetmig.handing_in import place_of
from hetmig.heard import Heard, Watched
from hetmig.journey import Checkpoint, Hop, Replica
from hetmig.listings import TaskInfo, task_info
from hetmig.messages import TaskRef
from hetmig.remote import bound_to
from hetmig.rendering import task_html, task_text
from hetmig.sending import SentMessage

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # which mypy and pyright know without its being installed

    from hetmig.client import Nodes
    from hetmig.report import Report

    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    V = TypeVar("V")

__all__ = ["RemoteTraceback", "Task", "TaskInfo", "place_of", "settle", "task_info"]


class Task(Watched, Future[V]):
    """A task, wherever it is.  Its result, its output and its exception arrive here."""

    def __init__(self, nodes: Nodes, task: str, name: str) -> None:
        super().__init__()
        self.id = task
        self.name = name
        self._nodes = nodes
        self._heard = Heard(lambda: nodes.echo)

    def __repr__(self) -> str:
        return f"<hetmig.Task {self.id} {self.name} {self.state}>"

    @property
    def state(self) -> str:
        """As `TaskInfo.state` says it, as far as we have heard."""
        return self._heard.state

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self.done()

    def cancel(self) -> bool:
        """End the task at once, without letting it clean up.  False if it has ended by itself."""
        if self.done():
            return self.cancelled()
        try:
            self._nodes._call(self._nodes._connection.cancel(self.id))
        except HetmigError:
            return False
        if super().cancel():
            self.set_running_or_notify_cancel()
        return self.cancelled()

    def migrate(self, to: str, timeout: float = 10.0) -> Hop:
        """Move the task to the node `to` (name or endpoint) and wait until it runs there.

        Returns the move that brought it there, which may have been its own idea meanwhile.
        `timeout` (s) is what finding a safe point, and then the destination, may take at most.
        Raises NotMigratable, MigrationRefused or NodeUnreachable with the reason; the task then
        goes on where it was.  AlreadyThere: it has never been anywhere else.
        """
        try:
            return self._nodes.move(self.id, to, timeout)
        except AlreadyThere:
            if journey := self.journey():
                return journey[-1]
            raise

    move = migrate

    def rehome(self, to: str, timeout: float = 10.0) -> bool:
        """Let the node `to` be the task's home; see `Nodes.rehome`."""
        return self._nodes.rehome(self.id, to, timeout)

    def replicate(
        self, to: str | None, *, every: float = 5.0, timeout: float = 30.0
    ) -> Replica | None:
        """Keep a warm copy of the task at the node `to`, made anew every so many seconds.

        It takes over when the task's node is lost, if the task's home is not.  The first copy is
        there when this returns; with `to=None` there is none any more.
        Raises NotMigratable, MigrationRefused or NodeUnreachable with what is in the way.
        """
        asked = self._nodes._connection.replicate(self.id, to, float(every), timeout)
        told = self._nodes._call(asked)
        return Replica.from_json(told) if told else None

    def send(self, value: object, timeout: float | None = None) -> SentMessage:
        """Send the task a message, wherever it is; returns when its mailbox has accepted it.

        It gets what the value is now, with `hetmig.receive()`.  Messages of one connection arrive
        in order, each once.  A full mailbox is waited for, at most `timeout` s (MailboxFull).
        Raises NotReceived if the task has ended, NotMigratable for what can't travel.
        """
        return self._nodes._messages.send(*self._address, value, timeout)

    def request(self, value: object, timeout: float | None = None) -> Any:
        """Send the task a request and wait for its reply, at most `timeout` s (TimeoutError).

        Raises NotReceived or NoReply if the task ends before.
        """
        return self._nodes._messages.request(*self._address, value, timeout)

    @property
    def _address(self) -> tuple[str, str, dict[str, Any]]:
        return self.id, self.name, self._nodes._home

    def __reduce__(self) -> tuple[Any, ...]:
        return TaskRef(*self._address, None).__reduce__()

    def checkpoint(
        self,
        to: str | os.PathLike[str] | None = None,
        *,
        keep: int | None = None,
        timeout: float = 10.0,
        stop: bool = False,
    ) -> Checkpoint:
        """Keep a copy of the task, from which `Nodes.resume` can start it again; it goes on.

        Its node writes it, to the directory or URL `to`, or where that node keeps its checkpoints;
        of those of this task the last `keep` (3) stay.  `timeout` (s) is what finding a safe point
        may take.  With `stop` the task is cancelled as soon as the copy is written.
        Raises NotMigratable if it can't be captured, CheckpointFailed if it can't be written.
        """
        wanted = {"to": None if to is None else place_of(to), "keep": keep, "stop": stop}
        asked = self._nodes._connection.checkpoint(self.id, wanted, timeout)
        return Checkpoint.from_json(self._nodes._call(asked))

    def divide(self, parts: int, to: str | Sequence[str] = (), timeout: float = 10.0) -> int:
        """Divide the loop it is in over `hetmig.divisible(...)`; into how many parts that was.

        One stays; the others become tasks at the nodes `to`, in turn, or at those that have least
        to do.  `timeout` (s) is what the loop may take to come to its next iteration.
        Raises DivisionRefused, NotMigratable or NodeUnreachable with the reason; it then goes on
        as it was.
        """
        names = [to] if isinstance(to, str) else list(to)
        return self._nodes._call(self._nodes._connection.divide(self.id, parts, names, timeout))

    def last_checkpoint(self) -> Checkpoint | None:
        """The newest one that its home node has heard of."""
        summary = self._heard.summary
        if not self._nodes._closed:  # it may have been written after the task's end
            summary = self._nodes._call(self._nodes._connection.summary(self.id))
        saved = summary.get("checkpoint")
        return None if saved is None else Checkpoint.from_json(saved)

    def add_checkpoint_callback(self, callback: Callable[[Checkpoint | None, str], object]) -> None:
        """Call `callback(checkpoint, "")` for new ones, and (None, reason) if one failed."""
        self._heard.checkpoint_callbacks.append(callback)

    def where(self) -> str:
        """The name of the node it is on, or was last."""
        return str(self._fresh()["node"])

    def journey(self) -> list[Hop]:
        """All its completed moves, in order."""
        if self._is_settled():
            return self._heard_hops()
        summary = self._nodes._call(self._nodes._connection.whole(self.id))
        return [Hop.from_json(hop) for hop in summary["hops"]]

    def report(self) -> Report:
        """What became of it so far: `task.report().save("report.html")` is a page to show."""
        from hetmig.report import report_from

        summary = self._nodes._call(self._nodes._connection.whole(self.id))
        return report_from(self._nodes.name, [summary], self._nodes.nodes(), [self.id])

    def add_output_callback(self, callback: Callable[[str, str], object]) -> None:
        """Call `callback(stream, text)`, stream being "stdout" or "stderr", for what it writes.

        What it wrote before comes first.  With a callback, nothing is echoed any more.
        """
        self._nodes._later(lambda: self._heard.add_output_callback(callback))

    def info(self) -> TaskInfo:
        """All in one: where it is, its state, its progress."""
        return task_info(self._fresh())

    def _repr_html_(self) -> str:
        return task_html(self._heard.summary, self.name, self._heard_hops())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(task_text(self._heard.summary, self.name, self._heard_hops()))

    def _heard_hops(self) -> list[Hop]:
        return [Hop.from_json(hop) for hop in self._heard.summary["hops"]]

    def _is_settled(self) -> bool:
        """Whether there is nothing to be asked: what was heard is the last there is to hear."""
        return "node" in self._heard.summary and (self.done() or self._nodes._closed)

    def _fresh(self) -> dict[str, Any]:
        if self._is_settled():
            return self._heard.summary
        return self._nodes._call(self._nodes._connection.summary(self.id))

    # In the thread of callbacks ---------------------------------------------------------------

    def _end(self, end: connection.End) -> None:
        with contextlib.suppress(InvalidStateError):
            if self.state == "cancelled":
                super().cancel()
                return
            settle(self, end, f"the outcome of task {self.id}", self._nodes)


def settle(
    future: Future[Any] | asyncio.Future[Any], end: connection.End, what: str, nodes: Nodes | None
) -> None:
    """Let a future end as what it stands for has ended; `what` names that."""
    if end.error is not None:
        future.set_exception(end.error)
        return
    try:
        with bound_to(nodes):
            value = end.value()
    except BaseException as error:  # also SystemExit: it is for who asks for the result
        error.add_note(f"{what} could not be unpickled here")
        future.set_exception(error)
        return
    if end.ok:
        future.set_result(value)
    else:
        value.__cause__ = RemoteTraceback(end.traceback)
        future.set_exception(value)
