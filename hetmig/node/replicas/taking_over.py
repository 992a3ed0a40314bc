"""Who lets a replica go on with its task: the task's home, or a person, if that is lost as well."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, MigrationRefused, NodeUnreachable
from hetmig.node import protocol
from hetmig.node.directory import certificate_of
from hetmig.node.handoff import GENERATION
from hetmig.node.protocol import Message, want
from hetmig.node.record import Record
from hetmig.node.rehoming.deeds import Claim, digest, new_deed, term_of
from hetmig.node.replicas.keeping import Replica
from hetmig.node.rights import require_control

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["asked", "by_hand", "by_home", "newest_at", "will"]

_ANSWER_SECONDS = 2.0
_AGAIN_SECONDS = 0.2


async def asked(node: Node, message: Message) -> dict[str, Any]:
    """A home or a person lets a replica take over here."""
    if "claim" in message.header:
        return await node.replicas.take_over(message)
    return await by_hand(node, message)


# The home -------------------------------------------------------------------------------------


async def newest_at(node: Node, record: Record) -> tuple[tuple[int, int], int] | None:
    """What the replica of a task is worth: which copy it is, and the events behind that."""
    if record.replica is None:
        return None
    place, header = record.replica["place"], {"task": record.id}
    try:
        if place == node.here:
            replica = node.replicas.find(record.id)
            return replica.age, want(replica.about, "events", int)
        link = node.directory.link(certificate_of(place))
        told = (await link.request(protocol.REPLICA, header, timeout=_ANSWER_SECONDS)).header
        epoch, number = want(told, "age", list)
        return (epoch, number), want(told, "events", int)
    except HetmigError:
        return None


async def will(node: Node, record: Record) -> None:
    """Leave our deeds with the replica's node, for the case that we are lost with the task."""
    assert record.replica is not None
    place, count = record.replica["place"], len(record.deeds)
    header = {"task": record.id, "will": record.deeds}
    try:
        if place == node.here:
            node.replicas.find(record.id).will = list(record.deeds)
        else:
            link = node.directory.link(certificate_of(place))
            told = (await link.request(protocol.REPLICA, header, timeout=_ANSWER_SECONDS)).header
            if not told.get("willed"):
                return
    except HetmigError:
        return  # in a second again
    record.willed = place["endpoint"], count


async def by_home(node: Node, record: Record, epoch: int) -> None:
    """Tell the replica's node that the task goes on there, until it has heard it.

    Raises the reason if it can't; returns also if the task has a later epoch meanwhile.
    """
    place = record.place
    header = {"task": record.id, "epoch": epoch, "claim": Claim.by(record).header()}
    while record.epoch == epoch and record.outcome is None:
        try:
            if place == node.here:
                key = node.here["key"].encode()
                await node.replicas.begin(record.id, epoch, Claim.by(record), key)
            else:
                link = node.directory.link(certificate_of(place))
                await link.request(protocol.TAKE_OVER, header, timeout=_ANSWER_SECONDS)
            return
        except NodeUnreachable:
            await asyncio.sleep(_AGAIN_SECONDS)


# A person -------------------------------------------------------------------------------------


async def by_hand(node: Node, message: Message) -> dict[str, Any]:
    """The node of a replica becomes the task's home, and goes on with it.

    Raises MigrationRefused if the task's home, or the node that had it, answers.
    """
    task = want(message.header, "task", str)
    replica = node.replicas.find(task)
    require_control(message.kind, message.caller, replica.about)
    home = replica.about["home"]
    if await _answer(node, home) is not None:
        raise MigrationRefused(
            f"the home of the task, {home['name']}, answers: it lets the replica take over by "
            "itself when the task's node is lost"
        )
    if (answer := await _answer(node, replica.source)) is not None and task in answer["ids"]:
        name = replica.source["name"]
        raise MigrationRefused(
            f"{name} answers, and has the task: `hetmig rehome` is what you want"
        )
    record, epoch = _record(node, replica), (replica.epoch // GENERATION + 1) * GENERATION
    record.epoch = record.fence = epoch
    key = node.here["key"].encode()
    await node.replicas.begin(
        task, epoch, Claim.by(record), key, lambda: node.home.adopt(record), trusted=True
    )
    for number, (stream, piece) in enumerate(replica.pieces, record.next_event):
        header = {"task": task, "epoch": epoch, "what": "output", "n": number, "stream": stream}
        node.report(record.about, header, [piece])
    return {"taken": True, "home": node.here}


async def _answer(node: Node, place: dict[str, Any]) -> dict[str, Any] | None:
    if place == node.here:
        return {"ids": list(node.tasks)}
    try:
        link = node.directory.link(certificate_of(place))
        return (await link.request(protocol.STATUS, {}, timeout=_ANSWER_SECONDS)).header
    except HetmigError:
        return None


def _record(node: Node, replica: Replica) -> Record:
    """A record of the task, as far as one can know: the other one is lost."""
    about, deed = dict(replica.about), new_deed()
    term = (term_of(about) // GENERATION + 1) * GENERATION
    about.update(home=node.here, term=term, deed=digest(deed))
    seen = want(about, "events", int) - len(replica.pieces)
    record = Record(about, node.here, time.time(), seen, [*replica.will, deed])
    for place in (replica.source, replica.about["home"]):
        if place != node.here and place not in record.given_up:
            record.given_up.append(place)
    return record
