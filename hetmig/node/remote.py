"""Requests about one object or actor, wherever it is: found, forwarded there, answered there.

The home node knows where it is; a node it has left knows where it went.  While it is between two
nodes a request waits, and goes on to where it has arrived.  Clients ask, and tasks through the node
they run on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import (
    ActorLost,
    ForgedParcel,
    HetmigError,
    InMotion,
    MailboxFull,
    NodeUnreachable,
    NoSuchObject,
    ProtocolError,
)
from hetmig.node import inputs, protocol
from hetmig.node.answers import Told, told_answers
from hetmig.node.caller import Caller, owner_of
from hetmig.node.described import summary
from hetmig.node.hosted import Hosted
from hetmig.node.link import Link
from hetmig.node.mailbox import Call
from hetmig.node.messages import names, posting, receiving
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message, want
from hetmig.node.rights import require_control
from hetmig.node.shelf import Shelf
from hetmig.node.submission import take_in
from hetmig.state.parcel import Parcel, open_sealed, seal

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["HANDLERS", "OF_TASKS", "asked", "find", "forward"]

_PATIENCE = 15.0
"""Seconds for which a request waits for an object that is between two nodes."""
_INSISTENCE = 30.0
"""Seconds for which a task's calls are tried while the actor can't be reached."""
_LAST_WORD = 0.5
"""Seconds for an answer that was on its way when the home node heard of the end."""
_PAUSE = 0.02
_LONGEST_POLL = 5.0
_ANSWER_SECONDS = 20.0
_HELLO_SECONDS = 5.0
_MOST_WAYS = 16
"""Nodes that a request may pass; more of them would be a circle."""

Operation = Callable[["Node", Hosted, dict[str, Any], Parcel | None], Awaitable[Told]]


async def handle(node: Node, message: Message) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """A request from a client or another node, its payload sealed, if it has one."""
    key = node.reception.session(message.user)
    parcel = open_sealed(message.payload, key) if message.payload else None
    request = receiving.vouched(message.header, message.caller.peer is not None)
    header, told = await _reach(node, message.kind, request, parcel, message.caller)
    return header, () if told is None else seal(told.manifest, told.frames, key)


async def asked(node: Node, runner: Runner, message: Message) -> None:
    """A request from a task that runs here."""
    number = want(message.header, "number", int)
    kind, header = want(message.header, "kind", str), want(message.header, "header", dict)
    manifest = want(message.header, "manifest", dict, None)
    parcel = (
        None
        if manifest is None
        else Parcel(manifest, [memoryview(frame) for frame in message.payload], True)
    )
    answer: dict[str, Any] = {"re": number}
    told: Parcel | None = None
    try:
        hosted = receiving.of_runner(node.tasks, runner)
        # A task asks with the rights of its owner to what is the owner's, and with no others.
        caller = Caller(owner_of(hosted.about) or "")
        if kind == protocol.RECEIVE:
            received = await receiving.receive(hosted, runner, header)
            if received is None:
                return  # it asks again where it is now
            answer["header"], told = received
        elif kind == protocol.FIND:
            answer["header"] = await names.found(node, want(header, "name", str), caller)
        elif kind == protocol.SUBMIT and parcel is not None:
            answer["header"] = await take_in(node, header, parcel, caller)
        elif kind == protocol.READ_INPUT:
            answer["header"] = await inputs.asked(node, header, caller)
        elif kind in HANDLERS:
            if kind == protocol.SEND:
                header = {**header, "from": receiving.sender_of(hosted)}
            answer["header"], told = await _insist(node, kind, header, parcel, caller)
        elif kind in OF_TASKS:
            answer["header"], told = await OF_TASKS[kind](node, header, caller)
        else:
            raise HetmigError(f"a task cannot ask for {kind!r}")
    except Exception as error:  # whatever it is, the task waits for an answer
        answer["error"] = protocol.describe_error(error)
    answer["manifest"] = None if told is None else told.manifest
    runner.send(protocol.REPLY, answer, () if told is None else told.frames)
    runner.ask()


OF_TASKS: dict[str, Callable[[Node, dict[str, Any], Caller], Awaitable[Told]]] = {}
"""What else tasks ask for, and what answers it; other modules add theirs."""


async def find(node: Node, header: dict[str, Any], caller: Caller) -> Told:
    """Where a task is, as its home node says.  Raises NoSuchObject."""
    return await _reach(node, protocol.WHERE, header, None, caller)


async def _insist(
    node: Node, kind: str, header: dict[str, Any], parcel: Parcel | None, caller: Caller
) -> Told:
    """Ask until there is an answer: a task that asks does not look after its questions."""
    until = time.monotonic() + _INSISTENCE
    patience = want(header, "patience", float, None)
    full_until = float("inf") if patience is None else time.monotonic() + patience
    while True:
        try:
            return await _reach(node, kind, header, parcel, caller)
        except MailboxFull:  # it must be delivered before the next one
            if time.monotonic() >= full_until:
                raise
        except (InMotion, NodeUnreachable):
            if kind not in _INSISTENT or time.monotonic() > until:
                raise
        await asyncio.sleep(_PAUSE)


async def _reach(
    node: Node, kind: str, header: dict[str, Any], parcel: Parcel | None, caller: Caller
) -> Told:
    """Do it here, or at the node that has the object, if the caller may."""
    task = want(header, "task", str)
    header = {**header, "as": caller.key}
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            if (about := node.about_task(task)) is not None:
                require_control(kind, caller, about)
                header["as"] = owner_of(about) or caller.key
            hosted = node.tasks.get(task)
            if hosted is not None and hosted.is_here:
                return await _OPERATIONS[kind](node, hosted, header, parcel)
            if kind == protocol.REPLIES and hosted is not None and posting.has_ended(hosted):
                return posting.left_over(hosted, header)
            if kind == protocol.ANSWERS and hosted is not None:
                left = await _left_over(hosted, header)
                if left[0]["answers"] or want(header, "last", bool, False):
                    return left
            return await _elsewhere(node, kind, header, parcel)
        except InMotion:
            # The node that was asked first begins anew; those on the way would do so many times.
            if want(header, "ways", int, 0) > 0 or time.monotonic() > until:
                raise
        await asyncio.sleep(_PAUSE)


# Here -----------------------------------------------------------------------------------------


async def _get(node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None) -> Told:
    shelf: Any = hosted.runner
    if not isinstance(shelf, Shelf) or hosted.about.get("what") != "object":
        raise HetmigError(f"{hosted.id} is no object that can be fetched, but a running program")
    return {}, Parcel(shelf.manifest, [memoryview(f) for f in shelf.frames], True)


async def _call(node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None) -> Told:
    if hosted.about.get("what") != "actor":
        raise HetmigError(f"{hosted.id} is no actor: it has no methods that can be called")
    posting.require_mailbox(hosted, "actor")
    if parcel is None:
        raise ProtocolError("a call without arguments")
    about = {
        "method": want(header, "method", str),
        "manifest": {**parcel.manifest, "task": {}},
    }
    sender, number = want(header, "sender", str), want(header, "n", int)
    call = Call(sender, number, about, list(parcel.frames))
    hosted.calls.accept(call, want(header, "base", int))
    return {}, None


async def _answers(
    node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None
) -> Told:
    sender, low = want(header, "sender", str), want(header, "low", int)
    got = [number for number in want(header, "got", list) if type(number) is int]
    seconds = max(0.0, min(want(header, "seconds", float), _LONGEST_POLL))
    posting.require_mailbox(hosted, "actor")
    found = await hosted.calls.collect(sender, low, got, seconds)
    if not found:
        posting.require_mailbox(hosted, "actor")
    return told_answers(found)


async def _left_over(hosted: Hosted, header: dict[str, Any]) -> Told:
    """What an actor that has ended here has answered before."""
    got = [number for number in want(header, "got", list) if type(number) is int]
    sender, low = want(header, "sender", str), want(header, "low", int)
    return told_answers(await hosted.calls.collect(sender, low, got, 0.0))


async def _where(node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None) -> Told:
    record = node.home.records.get(hosted.id)
    if record is None:
        return {"task": summary(hosted, node.here)}, None
    return record.where(want(header, "mark", list, None)), None


async def _move(node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None) -> Told:
    target, timeout = want(header, "to", str), want(header, "timeout", float)
    by = want(header, "by", str, "client")
    return {"hop": await node.moves.move(hosted.id, target, timeout, by)}, None


async def _delete(
    node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None
) -> Told:
    if not await hosted.ending.cancel():
        raise InMotion("it has just left, or ended")
    return {}, None


_OPERATIONS: dict[str, Operation] = {
    protocol.GET: _get,
    protocol.CALL: _call,
    protocol.ANSWERS: _answers,
    protocol.WHERE: _where,
    protocol.MOVE_OBJECT: _move,
    protocol.DELETE: _delete,
    protocol.SEND: posting.send,
    protocol.REPLIES: posting.replies,
}
_INSISTENT = (protocol.CALL, protocol.ANSWERS, protocol.SEND, protocol.REPLIES)
_BY_POLICY = (protocol.SEND, protocol.REPLIES)
"""What finds its task by that task's location policy."""
HANDLERS = dict.fromkeys(_OPERATIONS, handle)
"""By the kind of a request, what answers it."""


# Elsewhere ------------------------------------------------------------------------------------


async def _elsewhere(node: Node, kind: str, header: dict[str, Any], parcel: Parcel | None) -> Told:
    task = want(header, "task", str)
    ways = want(header, "ways", int, 0)
    if ways >= _MOST_WAYS:
        raise InMotion("it moves faster than it can be followed")
    record, hosted = node.home.records.get(task), node.tasks.get(task)
    header = {**header, "ways": ways + 1}
    if record is not None:
        if kind == protocol.WHERE:
            return record.where(want(header, "mark", list, None)), None
        if record.outcome is not None:
            return await _after_its_end(node, record, kind, header)
        work = forward(node, _latest(record, hosted), kind, header, parcel)
        told = await _while_it_lives(record, work)
        if kind == protocol.MOVE_OBJECT:
            record.hop(told[0]["hop"])
            record.arrived(told[0]["hop"]["epoch"], told[0]["hop"]["place"])
        return told
    if kind in _BY_POLICY:
        return await node.finding.told(hosted, kind, header, parcel)
    return await _by_others(node, hosted, kind, header, parcel)


async def _while_it_lives(record: Any, work: Coroutine[Any, Any, Told]) -> Told:
    """The answer of the node that has it; but if that node dies, nobody waits for its answer."""
    answer = asyncio.create_task(work)
    try:
        while not answer.done() and record.outcome is None:
            change = asyncio.create_task(record.news(1 << 62, record.version, _LONGEST_POLL))
            await asyncio.wait([answer, change], return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
        await asyncio.wait([answer], timeout=_LAST_WORD)
        if not answer.done():
            raise _ended(record.id, record)
        return answer.result()
    finally:
        answer.cancel()


async def _by_others(
    node: Node, hosted: Hosted | None, kind: str, header: dict[str, Any], parcel: Parcel | None
) -> Told:
    """Ask its home node; if that is silent, the node it went to from here.

    Who is sent here by another node is sent on: the home node has not heard of that move yet.
    """
    task, home = want(header, "task", str), want(header, "home", dict, None)
    onward = None if hosted is None else hosted.forward
    if (about := node.about_task(task)) is not None:
        claim = node.rehoming.forward(task)
        home = about["home"] if claim is None else claim.home
    was_sent = onward is not None and header["ways"] > 1
    if home is not None and home != node.here and not was_sent:
        try:
            return await forward(node, home, kind, header, parcel)
        except NodeUnreachable:
            if onward is None:
                found = await node.rehoming.seek(task)
                if found is None or found == home:
                    raise
                return await forward(node, found, kind, header, parcel)
    if onward is not None:
        return await forward(node, onward, kind, header, parcel)
    if hosted is not None and hosted.is_known:
        raise InMotion("it is just arriving")
    raise NoSuchObject(f"nothing is known here of {task}: it was deleted, or lost with its node")


async def _after_its_end(node: Node, record: Any, kind: str, header: dict[str, Any]) -> Told:
    """What it has answered before is still to be had.  Raises ActorLost or NoSuchObject."""
    is_there = record.place != node.here and not node.finding.is_gone(record.place)
    if kind in (protocol.ANSWERS, protocol.REPLIES) and is_there:
        with contextlib.suppress(HetmigError):
            told = await forward(node, record.place, kind, {**header, "last": True}, None)
            if told[0]["answers"]:
                return told
    if kind in _BY_POLICY:
        return posting.after_its_end(record, kind, header)
    raise _ended(record.id, record)


def _latest(record: Any, hosted: Hosted | None) -> dict[str, Any]:
    """Where the home node should look for what is not there."""
    place: dict[str, Any] = record.place
    if hosted is not None and hosted.forward and hosted.handoff.newest > record.epoch:
        place = hosted.forward
    return place


def _ended(task: str, record: Any) -> HetmigError:
    kind = ActorLost if record.about.get("what") == "actor" else NoSuchObject
    outcome = record.outcome
    if outcome.error is not None:
        why = str(protocol.rebuild_error(outcome.error))
    else:
        last = outcome.traceback.strip().rpartition("\n")[2]
        why = f"it ended by an exception: {last}" if last else "it was stopped"
    return kind(f"{record.about['name']} ({task}) is no more: {why}")


async def forward(
    node: Node, place: dict[str, Any], kind: str, header: dict[str, Any], parcel: Parcel | None
) -> Told:
    """Ask another node.  Raises what it answers, NodeUnreachable, InMotion if it is this one."""
    if place == node.here:
        raise InMotion("it is between two nodes just now")
    link = await node.directory.acquaint(place, node.about(), _HELLO_SECONDS)
    try:
        return await _request(link, kind, header, parcel)
    except ForgedParcel:  # that node was started anew since we met, and has other session keys
        await link.hello(node.about(), timeout=_HELLO_SECONDS)
        return await _request(link, kind, header, parcel)


async def _request(link: Link, kind: str, header: dict[str, Any], parcel: Parcel | None) -> Told:
    key = bytes.fromhex(link.peer["session"])
    wire = () if parcel is None else seal(parcel.manifest, parcel.frames, key)
    seconds = _ANSWER_SECONDS + 2 * want(header, "timeout", float, 0.0)
    header = {name: value for name, value in header.items() if name != "id"}
    answer = await link.request(kind, header, wire, timeout=seconds)
    told = open_sealed(answer.payload, key) if answer.payload else None
    return {name: value for name, value in answer.header.items() if name != "re"}, told
