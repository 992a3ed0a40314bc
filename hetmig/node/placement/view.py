"""What a policy sees of a node, and what it can decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hetmig.node.placement.needs import Facts, missing

__all__ = ["Ask", "Decision", "Divide", "Move", "NodeView", "TaskView", "View"]

_NOTHING: Mapping[str, Any] = {}
_EMPTY = Facts()


@dataclass(slots=True)
class TaskView:
    """A task, as a policy sees it."""

    id: str
    name: str = ""
    age: float = 0.0
    """Seconds of work it has had so far, on all nodes."""
    size: int = 0
    """Bytes that travel if it moves, as far as that is known."""
    needs: Mapping[str, Any] = field(default_factory=dict)
    expected: float | None = None
    """Seconds of work it takes as a whole, where something tells that (the history of its name)."""


@dataclass(slots=True)
class NodeView:
    """A node, as a policy sees it.  What it says of a peer may be old by some seconds."""

    name: str
    tasks: int = 0
    """That run there, or are on their way there."""
    slots: int = 1
    """So many of them run at full speed; more of them share."""
    speed: float = 1.0
    """Of one slot; twice the number does the same work in half the time."""
    facts: Facts = _EMPTY
    predicted: float | None = None
    """How many tasks to reckon with, by the predictor in use; None: `tasks`."""

    @property
    def load(self) -> float:
        """Tasks per slot."""
        return (self.tasks if self.predicted is None else self.predicted) / self.slots

    def slowdown(self, more: int = 0) -> float:
        """How many seconds one second of work takes there, with so many tasks more."""
        count = (self.tasks if self.predicted is None else self.predicted) + more
        return max(1.0, count / self.slots) / self.speed

    def fits(self, task: TaskView) -> bool:
        """Whether it has all that a task needs."""
        return not task.needs or not missing(task.needs, self.facts)


@dataclass(slots=True)
class Move:
    """Decided: this task of ours goes to that node."""

    task: str
    to: str
    why: str = ""
    """A word or two, for the log."""
    only_if_better: bool = False
    """The destination, which knows best, takes it only if it is slowed down less there than here:
    two nodes may have chosen the same idle one."""


@dataclass(slots=True)
class Ask:
    """Decided: that node is asked for a task; which one is for its own policy to say."""

    source: str
    why: str = ""


@dataclass(slots=True)
class Divide:
    """Decided: this task of ours hands part of its loop's remaining iterations to those nodes.

    Whether it has a loop that can be divided is for the task to say (`hetmig.divisible`).
    """

    task: str
    to: tuple[str, ...]
    why: str = ""


Decision: TypeAlias = Move | Ask | Divide


class View:
    """One node's view of the world, at one moment."""

    __slots__ = ("cost", "here", "now", "peers", "tasks")

    def __init__(
        self,
        now: float,
        here: NodeView,
        peers: Sequence[NodeView],
        tasks: Sequence[TaskView],
        cost: Callable[[TaskView, NodeView], float],
    ) -> None:
        self.now = now
        """Seconds, by a clock that only this node need know."""
        self.here = here
        self.peers = peers
        """Nodes that take tasks and were asked: all that are known, or some."""
        self.tasks = tasks
        """Ours that may be moved now: they run, and nobody has said where they are to be."""
        self.cost = cost
        """Seconds for which a task stands still if it moves to that node."""
