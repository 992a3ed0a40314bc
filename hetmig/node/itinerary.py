"""The completed moves of a task, as its home keeps them: a journey may be long."""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import dataclass
from typing import Any

from hetmig.errors import ProtocolError
from hetmig.node.protocol import want

__all__ = ["Itinerary", "Page"]

_KEEP_STEPS = 100
"""Of so many hops of a task, those told of last, it is kept where the time went."""
PAGE = 500
"""So many hops are told at once: a message has its limits, a journey has none."""


@dataclass(frozen=True)
class Page:
    """Hops that somebody did not know yet, and what to ask with for those after them."""

    hops: list[dict[str, Any]]
    mark: list[Any]
    is_last: bool


class Itinerary:
    """Hops by their epoch, as JSON."""

    def __init__(self) -> None:
        self._hops: dict[int, dict[str, Any]] = {}
        self._told_by_destination: dict[int, dict[str, Any]] = {}
        """Moves whose source may have died before it could tell of them."""
        self._alike: dict[str, dict[str, Any]] = {}
        """What is the same in many hops, such as a node's Python, is kept once."""
        self._id = secrets.token_hex(4)
        self._added: dict[int, int] = {}
        """The epochs of hops by their numbers, which rise; a hop told again has a new one."""
        self._numbers: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many moves their sources have told of."""
        return len(self._hops)

    def add(self, hop: dict[str, Any]) -> None:
        """A completed move, as its source tells of it; who knows better than its destination."""
        epoch = want(hop, "epoch", int)
        told = self._told_by_destination.pop(epoch, None)
        if told is not None and hop.get("foreseen"):  # a crash took what the source saw of it
            hop = told
        self._hops[epoch] = self._slim(hop)
        self._added.pop(self._numbers.get(epoch, 0), None)
        self._count += 1
        self._added[self._count], self._numbers[epoch] = epoch, self._count
        if (old := self._added.get(self._count - _KEEP_STEPS)) is not None:
            self._hops[old].pop("steps", None)

    def told_by_destination(self, hop: dict[str, Any]) -> None:
        """The same, as its destination tells of it."""
        epoch = want(hop, "epoch", int)
        if epoch not in self._hops:
            self._told_by_destination[epoch] = self._slim(hop)
        elif self._hops[epoch].get("foreseen"):
            self.add(hop)

    def all(self, *, complete: bool) -> list[dict[str, Any]]:
        """In order.  With `complete` also those whose sources have not told and will not any more:
        until then they may still tell, and they know better.
        """
        hops = {**(self._told_by_destination if complete else {}), **self._hops}
        return [hops[epoch] for epoch in sorted(hops)]

    def last(self, number: int, *, complete: bool) -> list[dict[str, Any]]:
        """So many of them, in order."""
        told = self._told_by_destination if complete else {}
        epochs = sorted([*told, *self._hops])[-number:] if number > 0 else []
        return [self._hops.get(epoch) or told[epoch] for epoch in epochs]

    def total(self, *, complete: bool) -> int:
        """How many `all` would be."""
        return len(self._hops) + (len(self._told_by_destination) if complete else 0)

    def page(self, mark: list[Any], *, complete: bool) -> Page:
        """What came after `mark`, which is of an earlier page.  Raises ProtocolError.

        With a mark of something else (of this node before a restart, of another home) all is told
        again.
        """
        if [type(item) for item in mark] != [str, int]:
            raise ProtocolError("that is no mark of a page of hops")
        after = mark[1] if mark[0] == self._id else 0
        new = []
        for number in reversed(self._added):
            if number <= after:
                break
            new.append(number)
        numbers = new[::-1][:PAGE]
        hops = [self._hops[self._added[number]] for number in numbers]
        is_last = len(numbers) == len(new)
        if complete and is_last:
            hops += self._told_by_destination.values()
        return Page(hops, [self._id, numbers[-1] if numbers else after], is_last)

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
