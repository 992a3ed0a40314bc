"""The home node looks after its tasks elsewhere: a node that is gone has taken them along."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, TaskLost
from hetmig.node import protocol
from hetmig.node.directory import certificate_of

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Watch"]

INTERVAL = 1.0
"""Seconds between two looks."""
MISSES = 3
"""A node that did not answer, or did not know the task, so many times in a row has lost it."""
ANSWER_SECONDS = 2.0


class Watch:
    """Asks the nodes which have our tasks whether they still have them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._misses: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Look, again and again."""
        while True:
            await asyncio.sleep(INTERVAL)
            away: dict[str, list[Any]] = {}
            for record in self._node.home.records.values():
                if record.outcome is None and record.place != self._node.here:
                    away.setdefault(record.place["endpoint"], []).append(record)
            await asyncio.gather(*(self._look(records) for records in away.values()))

    async def _look(self, records: list[Any]) -> None:
        """At the tasks which are all at one place."""
        place, epochs = records[0].place, [record.epoch for record in records]
        reason = f"the node {place['name']} does not answer any more"
        known: list[str] = []
        try:
            link = self._node.directory.link(certificate_of(place))
            answer = await link.request(protocol.STATUS, {}, timeout=ANSWER_SECONDS)
            known = answer.header["ids"]
            reason = f"the node {place['name']} does not know the task any more"
        except HetmigError:
            pass
        for record, epoch in zip(records, epochs, strict=True):
            key = record.id, epoch
            if record.id in known or record.epoch != epoch:
                self._misses.pop(key, None)
                continue
            self._misses[key] = self._misses.get(key, 0) + 1
            if self._misses[key] == MISSES:
                del self._misses[key]
                record.fail("lost", TaskLost(reason))
