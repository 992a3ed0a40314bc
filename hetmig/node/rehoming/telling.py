"""A new home tells the node that has the task, wherever that is by now, until it has heard it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError
from hetmig.node import protocol
from hetmig.node.handoff import State
from hetmig.node.record import Record
from hetmig.node.rehoming import residents
from hetmig.node.rehoming.deeds import Claim

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.rehoming.transfer import Transfer

__all__ = ["tell"]

_log = logging.getLogger("hetmig")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_ANSWER_SECONDS = 5.0
_HEARD = (State.RUNNING.value, State.ENDED.value)
"""A task in one of these states says everything to its new home from now on.  What is frozen may
arrive with the record that it had."""


async def tell(node: Node, transfer: Transfer) -> None:
    """Until it is known, the task has ended, or this node is its home no more."""
    pause, place = _SHORTEST_PAUSE, None
    while (record := node.home.records.get(transfer.id)) is not None:
        if record.outcome is not None:
            break
        try:
            answer = await _ask(node, record, place or record.place)
        except HetmigError as error:
            _log.info("%s is not told of the home of task %s: %s", place, record.id, error)
            answer = {}
        if answer.get("state") in _HEARD:
            break
        before, place = place, answer.get("forward")
        if place is None or place == before:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    transfer.confirmed()


async def _ask(node: Node, record: Record, place: dict[str, Any]) -> dict[str, Any]:
    claim = Claim.by(record)
    if place == node.here:
        return residents.hear(node, claim)
    link = await node.directory.acquaint(place, node.about(), _ANSWER_SECONDS)
    return (await link.request(protocol.REHOMED, claim.header(), timeout=_ANSWER_SECONDS)).header
