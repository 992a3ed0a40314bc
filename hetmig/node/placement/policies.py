"""The policies that come with hetmig, each put together from a few parts; and how to write another.

    class Oldest(Policy):
        def decide(self, view):
            for peer in view.peers:
                if peer.load + 1 < view.here.load:
                    for task in sorted(view.tasks, key=lambda task: -task.age):
                        if peer.fits(task):
                            return [Move(task.id, peer.name)]
            return []

A policy keeps what it likes in itself; it has no clock but `view.now`.  The peers come in a random
order, so that not every node prefers the same one.
"""

from __future__ import annotations

from collections.abc import Iterable

from hetmig.errors import HetmigError
from hetmig.node.placement.parts import (
    Busiest,
    Crowded,
    FirstBelow,
    Idlest,
    Location,
    Selection,
    Threshold,
    Transfer,
    Worth,
    selection_of,
)
from hetmig.node.placement.view import Ask, Decision, Divide, Move, NodeView, TaskView, View

__all__ = [
    "AgeBased",
    "DivideAmongIdle",
    "PlaceNew",
    "Policy",
    "ReceiverInitiated",
    "SenderInitiated",
    "Stay",
]


class Policy:
    """Decides nothing.  Override what the policy is to do."""

    moments: frozenset[str] = frozenset({"arrival"})
    """When `decide` is asked, besides from time to time: "arrival" of a task, "end" of one."""

    def place(self, task: TaskView, view: View) -> str | None:
        """The node where a new task is to begin; None is here.  `view` is without it."""
        return None

    def decide(self, view: View) -> Iterable[Decision]:
        """What to move away, and whom to ask for a task."""
        return ()

    def give(self, asker: NodeView, view: View) -> Move | None:
        """A peer asks for a task: the one it gets."""
        return None


class Stay(Policy):
    """A task stays where it was submitted, or where somebody moves it to."""

    moments = frozenset()


class Parts(Policy):
    """Transfer, selection and location policy, each on its own."""

    def __init__(self, transfer: Transfer, selection: Selection, location: Location) -> None:
        self.transfer, self.selection, self.location = transfer, selection, location

    def decide(self, view: View) -> Iterable[Decision]:
        """See `Policy`."""
        if view.tasks and self.transfer.gives(view):
            for peer in self.location.order(view):
                task = self.selection.choose(view, peer)
                if task is not None:
                    return [Move(task.id, peer.name, type(self.selection).__name__.lower(), True)]
        return ()


class SenderInitiated(Parts):
    """A node with too many tasks asks a few others, and gives one to the first that has room.

    The threshold policy of Eager, Lazowska and Zahorjan, 1986.  It places new tasks so, and with
    `moving` moves running ones, too.
    """

    def __init__(
        self, threshold: float = 1.0, probes: int = 3, select: str = "newest", moving: bool = True
    ) -> None:
        self._moving, self._first = moving, FirstBelow(threshold, probes)
        super().__init__(Threshold(threshold), selection_of(select), self._first)

    def place(self, task: TaskView, view: View) -> str | None:
        """See `Policy`."""
        if view.here.load + 1 / view.here.slots > self.transfer.limit:  # type: ignore[attr-defined]
            for peer in self._first.order(view):
                if peer.fits(task):
                    return peer.name
        return None

    def decide(self, view: View) -> Iterable[Decision]:
        """See `Policy`."""
        return super().decide(view) if self._moving else ()


class ReceiverInitiated(Parts):
    """A node with nothing to do asks the busiest one for a task: work stealing."""

    moments = frozenset({"end"})

    def __init__(self, select: str = "oldest") -> None:
        super().__init__(Crowded(), selection_of(select), Busiest())

    def decide(self, view: View) -> Iterable[Decision]:
        """See `Policy`."""
        if not self.transfer.takes(view):
            return ()
        return [Ask(peer.name, "idle") for peer in self.location.order(view)][:1]

    def give(self, asker: NodeView, view: View) -> Move | None:
        """See `Policy`."""
        if view.here.slowdown() <= asker.slowdown(1):
            return None
        task = self.selection.choose(view, asker)
        return None if task is None else Move(task.id, asker.name, "asked for", True)


class AgeBased(Parts):
    """A running task moves when its age exceeds what the move costs over what it gains.

    See `parts.Worth`.  As published, a node looks when a task arrives.  With `pull`, one that gets
    idle also asks the busiest node, which answers by the same rule; with `place`, new tasks are
    placed as `PlaceNew` does, besides.
    """

    def __init__(self, place: bool = False, pull: bool = False, gap: float = 1.0) -> None:
        super().__init__(Crowded(), Worth(), Idlest())
        self._placing = PlaceNew(gap) if place else None
        self._pull = Busiest() if pull else None
        if pull:
            self.moments = frozenset({"arrival", "end"})

    def place(self, task: TaskView, view: View) -> str | None:
        """See `Policy`."""
        return None if self._placing is None else self._placing.place(task, view)

    def decide(self, view: View) -> Iterable[Decision]:
        """See `Policy`."""
        if self._pull is not None and self.transfer.takes(view):
            return [Ask(peer.name, "idle") for peer in self._pull.order(view)][:1]
        return super().decide(view)

    def give(self, asker: NodeView, view: View) -> Move | None:
        """See `Policy`."""
        task = self.selection.choose(view, asker)
        return None if task is None else Move(task.id, asker.name, "asked for", True)


class PlaceNew(Policy):
    """A new task begins at the node with the least to do; one that runs never moves.

    `gap`: so much must a second of work be slowed down less there than here.  `longer`: only tasks
    expected to take more seconds than that, of which nothing is known of most (0: all).
    """

    moments = frozenset()

    def __init__(self, gap: float = 1.0, longer: float = 0.0) -> None:
        if gap < 0 or longer < 0:
            raise HetmigError(f"gap={gap:g}, longer={longer:g}: neither is below 0")
        self._gap, self._longer = gap, longer
        self._location = Idlest()

    def place(self, task: TaskView, view: View) -> str | None:
        """See `Policy`."""
        if self._longer and (task.expected is None or task.expected <= self._longer):
            return None
        here = view.here.slowdown(1)
        for peer in self._location.order(view):
            if here - peer.slowdown(1) < max(self._gap, 1e-9):
                return None
            if peer.fits(task):
                return peer.name
        return None


class DivideAmongIdle(Policy):
    """When nodes have nothing to do, the oldest task's loop is divided among them and this one.

    Into so many `parts` at most.  A task whose loop can't be divided is left alone for a while, and
    the next one is asked.
    """

    moments = frozenset({"arrival", "end"})

    def __init__(self, parts: int = 4) -> None:
        if parts < 2:
            raise HetmigError(f"parts={parts}: fewer than two are no division")
        self._most = parts - 1

    def decide(self, view: View) -> Iterable[Decision]:
        """See `Policy`."""
        idle = [peer for peer in view.peers if not peer.tasks]
        for task in sorted(view.tasks, key=lambda task: -task.age):
            to = tuple(peer.name for peer in idle if peer.fits(task))[: self._most]
            if to:
                yield Divide(task.id, to, "idle")
