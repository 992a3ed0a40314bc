"""Hands an executor's calls to its nodes, so many at a time.

One thread does that, which does not know the executor: who forgets that lets what was submitted
run to its end, and the thread end.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

from hetmig.client import Nodes
from hetmig.errors import HetmigError, InitializerFailed, NodeUnreachable, TaskFailed, TaskLost
from hetmig.executor.futures import TaskFuture
from hetmig.handing_in import Call
from hetmig.submitted import Task

__all__ = ["Dispatcher", "ExecutorBroken", "Member", "Work"]

_log = logging.getLogger("concurrent.futures")
_living: weakref.WeakSet[Dispatcher] = weakref.WeakSet()
_watching = threading.Lock()


class ExecutorBroken(HetmigError, BrokenExecutor):
    """The executor's initializer failed or all its nodes are lost.  Make another executor."""


@dataclass
class Work:
    """A call that waits for its turn."""

    future: TaskFuture[Any]
    call: Callable[[], Call]


@dataclass
class Member:
    """A node of the executor's."""

    nodes: Nodes
    slots: int
    running: int = 0
    is_out: bool = False
    """Lost, or drained: it gets no more."""


@dataclass(eq=False)
class Dispatcher:
    """Calls that wait, and how many are being executed where."""

    members: list[Member]
    most: int
    """Calls that are executed at once."""
    owned: contextlib.ExitStack
    """What is to be closed at the end."""
    broken: str = ""
    """Why nothing can be submitted any more."""
    is_shut: bool = False
    _waiting: deque[Work] = field(default_factory=deque)
    _begun: deque[Work] = field(default_factory=deque)
    """Those that are to be handed in now."""
    _running: int = 0
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        _living.add(self)

    def put(self, work: Work) -> None:
        """Something to do.  Raises RuntimeError after the end, BrokenExecutor."""
        with self._changed:
            if self.broken:
                raise ExecutorBroken(self.broken)
            if self.is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not threading.main_thread().is_alive():
                raise RuntimeError("cannot schedule new futures after interpreter shutdown")
            self._waiting.append(work)
            self._promote()
            if self._thread is None:
                _watch_the_main_thread()
                # Not a daemon: the interpreter waits for what was submitted, as it is the custom.
                self._thread = threading.Thread(target=self._run, name="hetmig-executor")
                self._thread.start()

    def _promote(self) -> None:
        """Whose turn it is has begun, and can't be cancelled any more."""
        while self._waiting and self._running < self.most:
            work = self._waiting.popleft()
            if work.future.set_running_or_notify_cancel():
                self._running += 1
                self._begun.append(work)
        self._changed.notify()

    def shut(self, *, wait: bool, cancel: bool) -> None:
        """Take nothing more; `cancel` what has not begun."""
        with self._changed:
            self.is_shut = True
            thread = self._thread
            cancelled = []
            if cancel:
                cancelled, self._waiting = list(self._waiting), deque()
            self._changed.notify()
        for work in cancelled:
            work.future.cancel()
        if thread is None:
            self.owned.close()
        elif wait:
            thread.join()

    def _run(self) -> None:
        try:
            while (work := self._next()) is not None:
                self._start(work)
                del work  # it holds the arguments
        finally:
            self.owned.close()

    def _next(self) -> Work | None:
        with self._changed:
            while not self._begun:
                if self.is_shut and not self._running:
                    return None
                self._changed.wait()
            return self._begun.popleft()

    def _start(self, work: Work) -> None:
        """Hand it to the node that has least to do."""
        members = [member for member in self.members if not member.is_out]
        if self.broken or not members:
            self._ended(None, work.future, ExecutorBroken(self.broken or "all its nodes are out"))
            return
        # One that does not answer may come back, but as long as there are others it is not asked.
        answering = [each for each in members if not each.nodes._connection.link.is_broken]
        member = min(answering or members, key=lambda member: member.running / member.slots)
        member.running += 1
        nodes, future = member.nodes, work.future
        try:
            handed = nodes._frozen(work.call())
            task = nodes._becoming(handed)
            sent = nodes._connection.submit(handed.manifest, handed.frames, handed.at)
            asking = nodes._loop.hand_in(sent)
        except Exception as error:
            self._ended(member, future, _closed() if nodes._closed else error)
            return

        flight = _Flight(self, member, work, task)
        asking.add_done_callback(flight.submitted)

    def _again(self, member: Member, work: Work, error: BaseException) -> None:
        """The node is drained: another one is to execute it."""
        with self._changed:
            member.is_out = True
            left = [other for other in self.members if not other.is_out]
            if left:
                member.running -= 1
        if left:
            self._start(work)
        else:
            self._break(f"all its nodes are drained or lost: {error}")
            self._ended(member, work.future, ExecutorBroken(self.broken))

    def _finished(self, member: Member, future: TaskFuture[Any], task: Task[Any]) -> None:
        member.nodes._followed.forget(task)
        if task.cancelled():
            self._ended(member, future, CancelledError())
        elif (error := task.exception()) is None:
            self._ended(member, future, None, task.result())
        else:
            self._ended(member, future, self._judged(member, error))

    def _judged(self, member: Member, error: BaseException) -> BaseException:
        """What the future is to raise; the executor may be broken."""
        if isinstance(error, InitializerFailed):
            if not self.broken:
                _log.critical("Exception in initializer:\n%s", error.__cause__ or error)
            self._break(str(error))
        elif isinstance(error, TaskLost) and member.nodes._connection.link.is_broken:
            member.is_out = True
            if any(not other.is_out for other in self.members):
                return error
            self._break(f"all its nodes are lost: {error}")
        else:
            return error
        broken = ExecutorBroken(self.broken)
        broken.__cause__ = error.__cause__ or error
        return broken

    def _break(self, reason: str) -> None:
        with self._changed:
            self.broken = self.broken or reason
            lost, self._waiting = self._waiting, deque()
        for work in lost:
            if work.future.set_running_or_notify_cancel():
                work.future._settle(ExecutorBroken(self.broken))

    def _ended(
        self,
        member: Member | None,
        future: TaskFuture[Any],
        error: BaseException | None,
        value: Any = None,
    ) -> None:
        try:
            future._settle(error, value)
        finally:
            with self._changed:
                if member is not None:
                    member.running -= 1
                self._running -= 1
                self._promote()


class _Flight:
    """A call on its way to a node, and then there."""

    def __init__(self, dispatcher: Dispatcher, member: Member, work: Work, task: Task[Any]) -> None:
        self._dispatcher, self._member, self._task = dispatcher, member, task
        self._work: Work | None = work
        self._future: TaskFuture[Any]

    def submitted(self, answer: Future[Any]) -> None:
        """The node has answered, or not; in the event loop of the connection."""
        work, self._work = self._work, None
        assert work is not None
        nodes, task = self._member.nodes, self._task
        if nodes._closed or answer.cancelled():  # its thread of callbacks may have ended
            self._dispatcher._ended(self._member, work.future, _closed())
            return
        error = answer.exception()
        if isinstance(error, TaskFailed):  # it is drained, so it has not taken it
            refused = error
            nodes._later(lambda: self._dispatcher._again(self._member, work, refused))
        elif error is not None and not isinstance(error, NodeUnreachable):
            ended = error
            nodes._later(lambda: self._dispatcher._ended(self._member, work.future, ended))
        else:
            # Without an answer it may have it: giving it to another one could do it twice.
            self._future = work.future
            task.add_done_callback(self._finished)
            nodes._followed.add(task, owner=True)
            work.future._became(task)

    def _finished(self, task: Future[Any]) -> None:
        future = self._future
        del self._future  # which knows the task, which knows this
        assert isinstance(task, Task)
        self._dispatcher._finished(self._member, future, task)


def _closed() -> HetmigError:
    return HetmigError("the executor's connection was closed")


def slots_of(nodes: Nodes) -> int:
    """Tasks that run at full speed at the node to which this is a connection."""
    own = [node for node in nodes.nodes() if node.name == nodes.name]
    return max(1, (own[0].slots if own else None) or 1)


def members_of(connections: Sequence[Nodes]) -> list[Member]:
    """As members, each with its slots."""
    return [Member(nodes, slots_of(nodes)) for nodes in connections]


def _watch_the_main_thread() -> None:
    """When the program has come to its end, the executors that nobody has shut down do the rest."""
    if _watching.acquire(blocking=False):
        threading.Thread(target=_shut_at_the_end, name="hetmig-exit", daemon=True).start()


def _shut_at_the_end() -> None:
    threading.main_thread().join()
    for dispatcher in list(_living):
        dispatcher.shut(wait=False, cancel=False)
