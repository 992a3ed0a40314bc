"""A node that is emptied lets others be the home of what has left it, and of open results."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hetmig.errors import HetmigError
from hetmig.node.background import spawn
from hetmig.node.record import Record

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["hand_over", "needs_home"]

_AT_ONCE = 8
_SECONDS = 5.0
"""For one record and one peer."""


def needs_home(node: Node, record: Record) -> bool:
    """Whether somebody would miss a record if this node were gone, and it isn't here to stay."""
    if record.outcome is None:
        return record.place != node.here
    return record.state in ("done", "failed") and not record.is_told


async def hand_over(
    node: Node, peers: Mapping[str, int], until: Callable[[], float]
) -> dict[str, str]:
    """Move such records to peers, of which it is known how much they have to do.

    By task, the name of its new home.  What no peer takes in time stays.
    """
    waiting = deque(r for r in node.home.records.values() if needs_home(node, r))
    found: dict[str, str] = {}

    async def one_by_one() -> None:
        while waiting and time.monotonic() < until():
            record = waiting.popleft()
            # where it runs, its home is lost with it only
            for name in sorted(peers, key=lambda n: (n != record.place["name"], peers[n])):
                remaining = until() - time.monotonic()
                if remaining <= 0 or record.id not in node.home.records:
                    break
                try:
                    await node.rehoming.rehome(record.id, name, min(remaining, _SECONDS))
                except HetmigError:
                    continue
                found[record.id] = name
                break

    if workers := [spawn(one_by_one()) for _ in range(min(_AT_ONCE, len(waiting)))]:
        await asyncio.wait(workers)
    return found
