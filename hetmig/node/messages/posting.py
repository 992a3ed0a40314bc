"""Messages to a task at the node where it is: accepted there; and what their senders hear."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, InMotion, NotReceived, ProtocolError
from hetmig.node.answers import Told, told_answers
from hetmig.node.handoff import State
from hetmig.node.mailbox import Call
from hetmig.node.messages.box import News, Remains
from hetmig.node.messages.finding import at
from hetmig.node.protocol import want
from hetmig.state.parcel import Parcel, seal

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted
    from hetmig.node.record import Record

__all__ = ["after_its_end", "has_ended", "left_over", "replies", "require_mailbox", "send"]

_LONGEST_POLL = 5.0


async def send(node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None) -> Told:
    """Accept a message.  Raises MailboxFull, InMotion."""
    what = hosted.about.get("what", "task")
    if what != "task":
        raise HetmigError(f"{hosted.id} is an {what}: messages are for tasks; call its methods")
    if parcel is None:
        raise ProtocolError("a message without content")
    about = {
        "manifest": {**parcel.manifest, "task": {}},
        "reply": want(header, "reply", bool, False),
        "from": want(header, "from", dict, None),
    }
    sender, number = want(header, "sender", str), want(header, "n", int)
    frames = [memoryview(bytes(frame)) for frame in parcel.frames]  # not the message around it
    call = Call(sender, number, about, list(frames))
    await _accept(node, hosted, call, want(header, "base", int))
    return at(node, hosted, header), None


async def _accept(node: Node, hosted: Hosted, call: Call, base: int) -> None:
    """Take a message in; it is on the disk, if the node has a journal, when this returns."""
    journal, file, is_new = node.journal, None, False
    if journal.is_durable and not journal.is_small(call.frames):  # for which others need not wait
        hosted.calls.mailbox.require_room(call)
        file = await asyncio.to_thread(journal.write_file, seal({}, call.frames, None))
    try:
        require_mailbox(hosted, "task")
        is_new = hosted.calls.accept(call, base)
    finally:
        if file is not None and not is_new:
            journal.drop_file(file)
    if is_new and journal.is_durable:
        hosted.calls.log.add(call, base, file)
    hosted.calls.wake()
    await node.syncing.written()


def require_mailbox(hosted: Hosted, what: str) -> None:
    """Raise InMotion unless messages and calls for it are taken here."""
    if not hosted.takes_calls:
        raise InMotion(f"the {what} is between two nodes just now")


async def replies(
    node: Node, hosted: Hosted, header: dict[str, Any], parcel: Parcel | None
) -> Told:
    """What a sender has not heard yet; waits for something, but not for long."""
    seconds = max(0.0, min(want(header, "seconds", float), _LONGEST_POLL))
    until = time.monotonic() + seconds
    while True:
        if has_ended(hosted):
            return left_over(hosted, header)
        require_mailbox(hosted, "task")
        news = _news(hosted, header)
        remaining = until - time.monotonic()
        if _is_new(news, header) or remaining <= 0:
            told, frames = _told(news, header)
            return {**told, **at(node, hosted, header)}, frames
        await hosted.calls.change(remaining)


def has_ended(hosted: Hosted) -> bool:
    """Whether the task came to its end on this node."""
    return hosted.handoff.state is State.ENDED


def left_over(hosted: Hosted, header: dict[str, Any]) -> Told:
    """Of a task that has ended here: replies not collected, and what it has not received."""
    told, frames = _told(_news(hosted, header), header)
    return {**told, "known": True, **_end(hosted.calls.remains, header)}, frames


def after_its_end(record: Record, kind: str, header: dict[str, Any]) -> Told:
    """The same at the home node, which knows no replies.  Raises NotReceived for a message."""
    name, task = record.about["name"], record.id
    if "n" in header:
        raise NotReceived(
            f"{name} ({task}) has ended: it receives no messages any more", task=task, name=name
        )
    told = {"answers": [], "taken": 0, "lost": [], "known": True}
    return {**told, **_end(record.unreceived, header)}, None


def _end(remains: Remains | None, header: dict[str, Any]) -> dict[str, Any]:
    sender = want(header, "sender", str)
    return {"ended": True, "remains": None if remains is None else remains.get(sender, [0, 0])}


def _news(hosted: Hosted, header: dict[str, Any]) -> News:
    sender, base = want(header, "sender", str), want(header, "base", int)
    got = [number for number in want(header, "got", list) if type(number) is int]
    return hosted.calls.news(sender, base, want(header, "low", int), got)


def _is_new(news: News, header: dict[str, Any]) -> bool:
    heard = want(header, "lost", list, [])
    more = any(gap not in heard for gap in news.lost)
    return bool(
        news.answers or more or not news.is_known or news.taken > want(header, "taken", int, 0)
    )


def _told(news: News, header: dict[str, Any]) -> Told:
    told, frames = told_answers(news.answers)
    return {**told, "taken": news.taken, "lost": news.lost, "known": news.is_known}, frames
