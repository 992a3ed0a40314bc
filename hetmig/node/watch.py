"""The home node looks after its tasks elsewhere: a node that is gone has taken them along.

A node that is merely silent may come back: after a partition with all its tasks, after a crash with
what its journal holds.  So it is given up only after a while; see `restarting` for what follows.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from hetmig.errors import HetmigError
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.directory import certificate_of
from hetmig.node.replicas.taking_over import will
from hetmig.node.restarting import Restarting

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.record import Record

__all__ = ["Watch"]

INTERVAL = 1.0
"""Seconds between two looks."""
MISSES = 3
"""A node that answered, and did not know the task, so many times in a row has lost it."""
ANSWER_SECONDS = 2.0
PATIENCE = 15.0
"""Seconds for which a node may be silent before it is given up."""
PATIENCE_WITH_JOURNAL = 600.0
"""The same, if it goes on with its tasks when it is started again, and nothing else is left of the
task: one that has a checkpoint or a replica need not wait for it."""


class _Seen(NamedTuple):
    """When a node last answered, and whether it has a journal."""

    when: float
    is_durable: bool


class Watch:
    """Asks the nodes which have our tasks whether they still have them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.patience: float | None = None
        """Seconds; None for the usual ones."""
        self._restarting = Restarting(node)
        self._telling: set[tuple[str, str]] = set()
        """What nodes are being told just now: of which task, and what."""
        self._misses: dict[tuple[str, int], int] = {}
        self._seen: dict[str, _Seen] = {}

    def is_restarting(self, task: str) -> bool:
        """Whether a task is about to go on here, as its node was lost."""
        return self._restarting.is_under_way(task)

    async def run(self) -> None:
        """Look, again and again."""
        while True:
            await asyncio.sleep(INTERVAL)
            places: dict[str, list[Record]] = {}
            for record in self._node.home.records.values():
                if record.given_up:
                    self._tell("void", record, self._restarting.fence)
                if (replica := record.replica) is not None and record.outcome is None:
                    key = replica["place"]["endpoint"], len(record.deeds)
                    if record.willed != key:
                        self._tell("will", record, functools.partial(will, self._node))
                away = record.place != self._node.here and not record.is_closed
                if record.outcome is None and away:
                    places.setdefault(record.place["endpoint"], []).append(record)
            for endpoint in self._seen.keys() - places.keys():
                del self._seen[endpoint]
            await asyncio.gather(*(self._look(records) for records in places.values()))

    def _tell(
        self, what: str, record: Record, tell: Callable[[Record], Coroutine[Any, Any, None]]
    ) -> None:
        """Once at a time: who is silent is waited for longer than until the next look."""
        if (entry := (what, record.id)) in self._telling:
            return
        self._telling.add(entry)
        spawn(tell(record)).add_done_callback(lambda _: self._telling.discard(entry))

    async def _look(self, records: list[Record]) -> None:
        """At the tasks which are all at one place."""
        place, epochs = records[0].place, [record.epoch for record in records]
        seen = self._seen.setdefault(place["endpoint"], _Seen(time.monotonic(), False))
        try:
            link = self._node.directory.link(certificate_of(place))
            answer = await link.request(protocol.STATUS, {}, timeout=ANSWER_SECONDS)
        except HetmigError:
            for record, epoch in zip(records, epochs, strict=True):
                self._silent(record, epoch, seen)
            return
        is_durable = protocol.want(answer.header, "durable", bool, False)
        self._seen[place["endpoint"]] = _Seen(time.monotonic(), is_durable)
        known = frozenset(protocol.want(answer.header, "ids", list))
        for record, epoch in zip(records, epochs, strict=True):
            self._answered(record, epoch, record.id in known)

    def _silent(self, record: Record, epoch: int, seen: _Seen) -> None:
        if record.epoch != epoch:
            return
        record.reach(False)
        patience = self.patience
        if patience is None:
            waits = seen.is_durable and record.checkpoint is None and not record.has_replica
            patience = PATIENCE_WITH_JOURNAL if waits else PATIENCE
        if time.monotonic() - seen.when > patience:
            name = record.place["name"]
            self._restarting.give_up(record, f"the node {name} does not answer any more")

    def _answered(self, record: Record, epoch: int, is_known: bool) -> None:
        key = record.id, epoch
        if is_known or record.epoch != epoch:
            self._misses.pop(key, None)
            record.reach(True)
            return
        self._misses[key] = self._misses.get(key, 0) + 1
        if self._misses[key] == MISSES:
            del self._misses[key]
            name = record.place["name"]
            self._restarting.give_up(record, f"the node {name} does not know the task any more")
