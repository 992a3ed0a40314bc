"""Location policies: how a node finds a task that has moved, without sockets or clock.

    home    the task's home node always knows, and hands on what comes there        (Sprite)
    chain   a node that the task has left hands on to where it went; whoever asked
            or handed on learns the place, which shortens the chain                 (Charlotte)
    search  all nodes known here are asked whether they have it                     (V)

Every policy falls back on the home node, so none depends on a node that the task has left.  The
node which was asked first remembers where the task was found: only one request makes a detour.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from hetmig.errors import HetmigError

__all__ = ["POLICIES", "Known", "LocationPolicy", "Places", "Sight", "policy_named"]

Place: TypeAlias = dict[str, Any]


class Known(NamedTuple):
    """Where a task was found, under which epoch, and the policy it was submitted with."""

    place: Place
    epoch: int
    policy: str | None = None


class Sight(Protocol):
    """What a node can see of one task that is not on it."""

    @property
    def home(self) -> Place | None:
        """The task's home node."""

    @property
    def forward(self) -> Place | None:
        """Where it went from here, or was found since."""

    async def search(self) -> Place | None:
        """Which of the nodes known here has it; all of them are asked."""


class LocationPolicy(Protocol):
    """Where to look for a task.  What it yields is tried in turn, each place once."""

    name: str

    def ways(self, sight: Sight) -> AsyncIterator[Place | None]:
        """At the node that was asked first, and did not find it where it was last."""

    def onward(self, sight: Sight) -> Place | None:
        """At a node which is not its home, where another one has looked for it in vain."""


class HomeNode:
    """Ask its home node."""

    name = "home"

    async def ways(self, sight: Sight) -> AsyncIterator[Place | None]:
        """Its home."""
        yield sight.home

    def onward(self, sight: Sight) -> Place | None:
        """Nowhere: who asks is told that it is not here."""
        return None


class ForwardingChain:
    """Follow the forwarding addresses which it leaves where it was; they are kept for a while."""

    name = "chain"

    async def ways(self, sight: Sight) -> AsyncIterator[Place | None]:
        """From here on, if it was here; else its home, where the chain begins."""
        yield sight.forward
        yield sight.home

    def onward(self, sight: Sight) -> Place | None:
        """To where it went."""
        return sight.forward


class Search:
    """Ask everybody."""

    name = "search"

    async def ways(self, sight: Sight) -> AsyncIterator[Place | None]:
        """Whoever says that it is there."""
        yield await sight.search()
        yield sight.home

    def onward(self, sight: Sight) -> Place | None:
        """Nowhere: who asks is told that it is not here."""
        return None


POLICIES: Mapping[str, LocationPolicy] = {
    policy.name: policy for policy in (HomeNode(), ForwardingChain(), Search())
}
"""By name."""


def policy_named(name: str) -> LocationPolicy:
    """The policy of this name.  Raises HetmigError."""
    if name not in POLICIES:
        raise HetmigError(f"{name!r} is no location policy: choose from {', '.join(POLICIES)}")
    return POLICIES[name]


class Places:
    """Where tasks were found last: at most so many, the longest unused are forgotten."""

    MOST = 10_000

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, task: str) -> Known | None:
        """Where it was last."""
        if task in self._known:
            self._known.move_to_end(task)
        return self._known.get(task)

    def learn(self, task: str, known: Known) -> None:
        """It was found there; older news than we have is none."""
        before = self._known.get(task)
        if before is None or before.epoch <= known.epoch:
            self._known[task] = known
            self._known.move_to_end(task)
        while len(self._known) > self.MOST:
            self._known.popitem(last=False)

    def forget(self, task: str, place: Place | None = None) -> None:
        """It is not there any more; with `place`, only if that is where we believe it."""
        known = self._known.get(task)
        if known is not None and place in (None, known.place):
            del self._known[task]
