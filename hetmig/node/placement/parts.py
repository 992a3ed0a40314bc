"""The three questions of load distribution, each answered by small classes: when, which, where to.

A transfer policy says whether a node is to give tasks away or to ask for some, a selection policy
which of its tasks goes to a given node, a location policy in which order nodes are considered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from hetmig.errors import HetmigError
from hetmig.node.placement.view import NodeView, TaskView, View

__all__ = [
    "SELECTIONS",
    "Busiest",
    "Cheapest",
    "Crowded",
    "FirstBelow",
    "Idlest",
    "Location",
    "Newest",
    "Oldest",
    "Selection",
    "Threshold",
    "Transfer",
    "Worth",
    "selection_of",
]

_LEAST_COST = 1e-6


class Transfer(Protocol):
    """When."""

    def gives(self, view: View) -> bool:
        """Whether this node has too much to do."""

    def takes(self, view: View) -> bool:
        """Whether it has too little to do."""


class Selection(Protocol):
    """Which task."""

    def choose(self, view: View, to: NodeView) -> TaskView | None:
        """One of ours that fits there; None if none should go there."""


class Location(Protocol):
    """Where to, or where from."""

    def order(self, view: View) -> Iterable[NodeView]:
        """The peers that come into question, the best one first."""


# When -----------------------------------------------------------------------------------------


class Threshold:
    """Gives with more than `limit` tasks per slot, takes with less than that."""

    def __init__(self, limit: float = 1.0) -> None:
        if not limit > 0:
            raise HetmigError(f"threshold={limit!r}: it is a number of tasks per slot, above 0")
        self.limit = limit

    def gives(self, view: View) -> bool:
        """See `Transfer`."""
        return view.here.load > self.limit

    def takes(self, view: View) -> bool:
        """See `Transfer`."""
        return view.here.load < self.limit


class Crowded:
    """Gives when its tasks share slots, takes when a slot is free."""

    def gives(self, view: View) -> bool:
        """See `Transfer`."""
        return view.here.load > 1.0

    def takes(self, view: View) -> bool:
        """See `Transfer`."""
        return view.here.tasks < view.here.slots


# Which ----------------------------------------------------------------------------------------


class Newest:
    """The youngest task: almost nothing of it has been done, so it is almost a placement."""

    def choose(self, view: View, to: NodeView) -> TaskView | None:
        """See `Selection`."""
        return min(_fitting(view.tasks, to), key=lambda task: task.age, default=None)


class Oldest:
    """The oldest task: of heavy-tailed lifetimes it has the most still to do."""

    def choose(self, view: View, to: NodeView) -> TaskView | None:
        """See `Selection`."""
        return max(_fitting(view.tasks, to), key=lambda task: task.age, default=None)


class Cheapest:
    """The task that stands still for the shortest time."""

    def choose(self, view: View, to: NodeView) -> TaskView | None:
        """See `Selection`."""
        return min(_fitting(view.tasks, to), key=lambda task: view.cost(task, to), default=None)


class Worth:
    """By age: a task that is older than what its move costs over what it gains, the best of them.

    Harchol-Balter and Downey, 1997.  Where lifetimes are Pareto with exponent 1, a task of age a
    has a median of a still to do.  With n tasks here and m there, itself included, that takes n·a
    here and m·a + cost there; so it is worth while if a > cost / (n - m).  Nothing is to be tuned.
    """

    def choose(self, view: View, to: NodeView) -> TaskView | None:
        """See `Selection`."""
        gain = view.here.slowdown() - to.slowdown(1)
        best, most = None, 0.0
        if gain <= 0:
            return None
        for task in _fitting(view.tasks, to):
            cost = view.cost(task, to)
            worth = task.age / max(cost, _LEAST_COST)
            if task.age * gain > cost and worth > most:
                best, most = task, worth
        return best


SELECTIONS: dict[str, type[Selection]] = {
    "newest": Newest,
    "oldest": Oldest,
    "cheapest": Cheapest,
    "worth": Worth,
}
"""By the names that `--policy ...:select=NAME` has for them."""


def selection_of(name: str) -> Selection:
    """The selection policy of this name.  Raises HetmigError."""
    if name not in SELECTIONS:
        raise HetmigError(f"select={name}: choose one of {', '.join(SELECTIONS)}")
    return SELECTIONS[name]()


def _fitting(tasks: Sequence[TaskView], to: NodeView) -> list[TaskView]:
    return [task for task in tasks if to.fits(task)]


# Where ----------------------------------------------------------------------------------------


class Idlest:
    """The peer first where a task that comes is slowed down least."""

    def order(self, view: View) -> Iterable[NodeView]:
        """See `Location`."""
        return sorted(view.peers, key=lambda peer: peer.slowdown(1) + 1e-3 * peer.load)


class FirstBelow:
    """The first few peers, as they come, which would not be above the limit with a task more."""

    def __init__(self, limit: float, probes: int = 3) -> None:
        self._limit, self._probes = limit, probes

    def order(self, view: View) -> Iterable[NodeView]:
        """See `Location`."""
        asked = view.peers[: self._probes]
        return [peer for peer in asked if peer.load + 1 / peer.slots <= self._limit]


class Busiest:
    """The peer first that has the most to do, if a task less there and one more here is better."""

    def order(self, view: View) -> Iterable[NodeView]:
        """See `Location`."""
        ours = view.here.slowdown(1)
        busy = [peer for peer in view.peers if peer.slowdown() > ours]
        return sorted(busy, key=lambda peer: -peer.slowdown())
