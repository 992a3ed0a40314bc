"""The tasks that a connection follows: what they write, become and end with goes to callbacks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError
from hetmig.feeding import Feeder
from hetmig.following import End, Follower
from hetmig.submitted import Task

if TYPE_CHECKING:
    from hetmig.client import Nodes

__all__ = ["Followed"]


class Followed:
    """By their ids, until they are forgotten."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._tasks: dict[str, Task] = {}

    def get(self, id: str) -> Task | None:
        """The task, if it is one of these."""
        return self._tasks.get(id)

    def add(self, task: Task, *, owner: bool, stdin: Any = None) -> None:
        """Follow it from its beginning on; `stdin` is what it reads."""
        self._tasks[task.id] = task
        nodes = self._nodes
        feeder = None
        if stdin is not None:
            feeder = Feeder(stdin, functools.partial(self._tell, task.id))
        follower = Follower(
            output=lambda stream, data: nodes._later(lambda: task._heard.output(stream, data)),
            changed=lambda summary: nodes._later(lambda: task._heard.changed(summary)),
            ended=lambda end: nodes._later(lambda: task._end(end)),
            delivered=nodes._callbacks.caught_up,
            wanted=None if feeder is None else feeder.wanted,
        )
        nodes._loop.call_soon(lambda: nodes._connection.follow(task.id, follower, owner=owner))

    def forget(self, task: Task) -> None:
        """Its result need not be kept any longer."""
        self._tasks.pop(task.id, None)

    def close(self) -> None:
        """Nothing will be heard any more: those that are awaited end."""
        for task in self._tasks.values():
            reason = f"the connection was closed; task {task.id} goes on without us"
            end = End(False, error=HetmigError(reason))
            self._nodes._later(functools.partial(task._end, end))

    def _tell(self, task: str, number: int, piece: bytes) -> None:
        self._nodes._call(self._nodes._connection.tell(task, number, piece))
