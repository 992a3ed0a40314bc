"""What others ask of a node: each request, and its answer."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hetmig.errors import ProtocolError, TaskLost
from hetmig.node import (
    administration,
    balancing,
    file_requests,
    inputs,
    parts,
    precopying,
    protocol,
    remote,
    rights,
    submission,
)
from hetmig.node.described import load, summary
from hetmig.node.home import Fenced
from hetmig.node.messages import finding, names
from hetmig.node.protocol import Buffer, Message, want
from hetmig.node.rehoming import residents
from hetmig.node.replicas import taking_over
from hetmig.state.manifest import this_python

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["HANDLERS"]

_log = logging.getLogger("hetmig")
_FOLLOW_SECONDS = 5.0

Reply = tuple[dict[str, Any], Sequence[Buffer]]
Handler = Callable[["Node", Message], Awaitable[Reply]]


async def hello(node: Node, message: Message) -> Reply:
    if want(message.header, "protocol", int) != protocol.VERSION:
        raise ProtocolError("the other side speaks another version of the protocol")
    if want(message.header, "role", str) == "node":
        rights.require_node(message.caller)
        # Whose key it is was proved; what it claims besides is only where it listens.
        node.directory.meet({**message.header, "key": message.user.decode()})
    return {
        **node.here,
        "python": this_python(),
        "pid": os.getpid(),
        "nodes": list(node.directory.places.values()),
        "durable": node.journal.is_durable,
        "session": node.reception.session(message.user).hex(),
        "caps": asdict(node.caps.message),
    }, ()


async def reserve(node: Node, message: Message) -> Reply:
    task = want(message.header, "task", str)
    size = want(message.header, "bytes", int, None)
    with node.placing.admitted(message.header):
        await node.moves.require_home(want(message.header, "home", dict))
        if size is not None:  # a passive object
            node.shelf({}, size).kill()
        else:
            runner = await node.reserved(task)
            node.reservations.hold(task, runner, message.user)
    session, memory = node.reception.session(message.user).hex(), node.journal.memory
    return {**node.here, "python": this_python(), "session": session, "memory": memory}, ()


async def follow(node: Node, message: Message) -> Reply:
    record = node.rehoming.find(want(message.header, "task", str))
    rights.require_control(message.kind, message.caller, record.about)
    after, version = want(message.header, "after", int), want(message.header, "version", int)
    if want(message.header, "owner", bool, False) and message.caller.owns(record.about):
        node.home.seen(record, after)
    seconds = min(want(message.header, "seconds", float, _FOLLOW_SECONDS), _FOLLOW_SECONDS)
    await record.news(after, version, seconds)
    if node.rehoming.forward(record.id) is not None:
        node.rehoming.find(record.id)  # says where it is
    if want(message.header, "brief", bool, False):
        return {"task": record.brief()}, ()
    mark = want(message.header, "mark", list, ["", 0])
    header, payload = record.told(after, node.reception.session(message.user), mark)
    # With each answer: the client may not have noticed that this is another process now.
    if want(message.header, "stdin", bool, False) and message.caller.owns(record.about):
        seen = header["pieces"][-1][0] if header["pieces"] else after
        header["input"] = node.inputs.offered(record, seen)
    header["session"] = node.reception.session(message.user).hex()
    known = list(node.directory.places.values())
    if want(message.header, "peers", int, len(known)) != len(known):
        header["peers"] = known
    record.is_told |= header["outcome"] is not None and message.caller.owns(record.about)
    if message.caller.may_control(record.about):
        return header, payload
    return rights.without_result(header, payload)


async def list_tasks(node: Node, message: Message) -> Reply:
    hops = want(message.header, "hops", int, 1)
    tasks = [
        record.brief(hops)
        for record in node.home.records.values()
        if message.caller.may_see(record.about)
    ]
    guests = [
        summary(hosted, node.here)
        for hosted in node.tasks.known()
        if hosted.is_here and hosted.id not in node.home.records
        if message.caller.may_see(hosted.about)
    ]
    known = {task["id"] for task in tasks + guests}
    waiting = [
        {**summary(replica.hosted, node.here), "state": "replica"}
        for replica in node.replicas.all()
        if replica.hosted.id not in known and message.caller.may_see(replica.about)
    ]
    return {"tasks": tasks + guests + waiting}, ()


async def list_nodes(node: Node, message: Message) -> Reply:
    return {"nodes": await node.moves.survey(), "here": node.here["name"]}, ()


async def importable(node: Node, message: Message) -> Reply:
    return {"found": node.moves.importable(want(message.header, "modules", list))}, ()


async def status(node: Node, message: Message) -> Reply:
    node.directory.heard_of(message.user)
    ids = {hosted.id for hosted in node.tasks.known()}
    ids |= node.directory.reported  # what became of it here is still on its way
    state = load(node)
    state["rss"] = state.pop("memory")  # that word stands for the journal's here
    state["detours"] = node.finding.detours
    kept = {"memory": node.journal.memory, "durable": node.journal.is_durable}
    state.update(node.placing.describe())
    return {**node.here, "ids": sorted(ids), **state, **kept}, ()


async def move(node: Node, message: Message) -> Reply:
    task, target = want(message.header, "task", str), want(message.header, "to", str)
    timeout = want(message.header, "timeout", float)
    by = want(message.header, "by", str, "client")
    node.require_control(message, task)
    return {"hop": await node.moves.move(task, target, timeout, by)}, ()


async def cancel(node: Node, message: Message) -> Reply:
    task = want(message.header, "task", str)
    node.require_control(message, task)
    await node.moves.cancel(task)
    return {}, ()


async def checkpoint(node: Node, message: Message) -> Reply:
    node.require_control(message, want(message.header, "task", str))
    return {"checkpoint": await node.moves.checkpoint(message.header)}, ()


async def drain(node: Node, message: Message) -> Reply:
    report = await node.moves.drain(message.header, message.caller.key)
    return {"node": node.here["name"], "report": report}, ()


async def fence(node: Node, message: Message) -> Reply:
    node.void(message)
    return {}, ()


async def rehome(node: Node, message: Message) -> Reply:
    task, to = want(message.header, "task", str), want(message.header, "to", str)
    timeout = want(message.header, "timeout", float)
    node.require_control(message, task)
    return await node.moves.rehome(task, to, timeout), ()


async def replicate(node: Node, message: Message) -> Reply:
    node.require_control(message, want(message.header, "task", str))
    return {"replica": await node.moves.replicate(message.header)}, ()


async def replica(node: Node, message: Message) -> Reply:
    return await node.replicas.asked(message), ()


async def take_over(node: Node, message: Message) -> Reply:
    return await taking_over.asked(node, message), ()


async def record(node: Node, message: Message) -> Reply:
    return await node.rehoming.note(message), ()


async def rehomed(node: Node, message: Message) -> Reply:
    return await residents.heard(node, message), ()


async def home(node: Node, message: Message) -> Reply:
    return await node.rehoming.where(message), ()


async def report(node: Node, message: Message) -> Reply:
    key, task = message.header.get("report"), want(message.header, "task", str)
    if (claim := node.rehoming.forward(task)) is not None:
        node.reception.send(message.route, protocol.REHOMED, claim.header())
        return {}, ()
    if node.rehoming.is_closed(task):
        return {}, ()  # without an ACK it comes again
    try:
        node.home.report(message.header, message.payload)
    except TaskLost as error:
        _log.info("a late report: %s", error)
    except Fenced as fenced:
        void = {"task": message.header["task"], "epoch": fenced.data["epoch"]}
        node.reception.send(message.route, protocol.FENCE, void)
    if isinstance(key, str):
        node.journal.when_synced(
            lambda: node.reception.send(message.route, protocol.ACK, {"report": key})
        )
    node.syncing.soon()
    return {}, ()


HANDLERS: dict[str, Handler] = {
    protocol.HELLO: hello,
    protocol.RESERVE: reserve,
    protocol.PRECOPY: precopying.precopy,
    protocol.SUBMIT: submission.submit,
    protocol.FOLLOW: follow,
    protocol.TASKS: list_tasks,
    protocol.NODES: list_nodes,
    protocol.STATUS: status,
    protocol.IMPORTABLE: importable,
    protocol.MOVE: move,
    protocol.CANCEL: cancel,
    protocol.CHECKPOINT: checkpoint,
    protocol.DRAIN: drain,
    protocol.FENCE: fence,
    protocol.REHOME: rehome,
    protocol.REPLICATE: replicate,
    protocol.REPLICA: replica,
    protocol.TAKE_OVER: take_over,
    protocol.RECORD: record,
    protocol.REHOMED: rehomed,
    protocol.HOME: home,
    protocol.REPORT: report,
    protocol.FIND: names.find,
    protocol.LOCATE: finding.locate,
    **remote.HANDLERS,
    **balancing.HANDLERS,
    protocol.FILE: file_requests.handle,
    **inputs.HANDLERS,
    **administration.HANDLERS,
    **parts.HANDLERS,
}
