"""The completed moves of a task, as its home keeps them: a journey may be long."""

from __future__ import annotations

import json
import sys
from typing import Any

from hetmig.node.protocol import want

__all__ = ["Itinerary"]

_KEEP_STEPS = 100
"""Of so many hops of a task it is kept where the time went."""


class Itinerary:
    """Hops by their epoch, as JSON."""

    def __init__(self) -> None:
        self._hops: dict[int, dict[str, Any]] = {}
        self._told_by_destination: dict[int, dict[str, Any]] = {}
        """Moves whose source may have died before it could tell of them."""
        self._alike: dict[str, dict[str, Any]] = {}
        """What is the same in many hops, such as a node's Python, is kept once."""

    def __len__(self) -> int:
        """How many moves their sources have told of."""
        return len(self._hops)

    def add(self, hop: dict[str, Any]) -> None:
        """A completed move, as its source tells of it; who knows better than its destination."""
        epoch = want(hop, "epoch", int)
        self._told_by_destination.pop(epoch, None)
        self._hops[epoch] = self._slim(hop)
        if len(self._hops) > _KEEP_STEPS:
            self._hops[sorted(self._hops)[-_KEEP_STEPS - 1]].pop("steps", None)

    def told_by_destination(self, hop: dict[str, Any]) -> None:
        """The same, as its destination tells of it."""
        if (epoch := want(hop, "epoch", int)) not in self._hops:
            self._told_by_destination[epoch] = self._slim(hop)

    def all(self, *, complete: bool) -> list[dict[str, Any]]:
        """In order.  With `complete` also those whose sources have not told and will not any more:
        until then they may still tell, and they know better.
        """
        hops = {**(self._told_by_destination if complete else {}), **self._hops}
        return [hops[epoch] for epoch in sorted(hops)]

    def packed(self) -> dict[str, list[dict[str, Any]]]:
        """All of it, for another home."""
        return {"hops": list(self._hops.values()), "told": list(self._told_by_destination.values())}

    @classmethod
    def unpacked(cls, state: dict[str, Any]) -> Itinerary:
        """What `packed` described.  Raises ProtocolError."""
        made = cls()
        for hop in want(state, "hops", list):
            made.add(hop)
        for hop in want(state, "told", list):
            made.told_by_destination(hop)
        return made

    def _slim(self, hop: dict[str, Any]) -> dict[str, Any]:
        """The same hop in less memory, and without the place, which the record has."""
        return {
            sys.intern(name): self._shared(value) for name, value in hop.items() if name != "place"
        }

    def _shared(self, value: Any) -> Any:
        if isinstance(value, str):
            return sys.intern(value)
        if isinstance(value, dict):
            return self._alike.setdefault(json.dumps(value, sort_keys=True), value)
        return value
