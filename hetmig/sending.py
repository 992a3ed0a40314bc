"""Messages from a client to tasks, on asyncio: accepted once, in order, and what becomes of them.

A message is repeated until the task's mailbox has it.  As long as not all were received, or a reply
is open, one long poll for each task asks for news; so it is heard of if the task ends before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import (
    HetmigError,
    InMotion,
    MailboxFull,
    NodeUnreachable,
    TaskLost,
)
from hetmig.node import protocol
from hetmig.node.messages.content import settle
from hetmig.node.messages.outgoing import Outcome, Outgoing
from hetmig.node.methods import freeze_message
from hetmig.remote import bound_to
from hetmig.state.image import Image
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.client import Nodes
    from hetmig.connection import Connection

__all__ = ["Messages", "Posted", "Sender", "SentMessage", "within"]

_log = logging.getLogger("hetmig")
_AT_ONCE = 64
"""Messages on their way to the mailbox at the same time."""
_PATIENCE = 30.0
"""Seconds without a word from any node after which a message is given up."""
_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
_POLL_SECONDS = 5.0
_ANSWER_SECONDS = 20.0


class Posted:
    """One message: `outcome` is what becomes of it after it was accepted."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.detour = False
        """Whether it did not find the task where the node had looked for it first."""
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()


class Sender:
    """All messages of one connection to one task.  To be used within its event loop."""

    def __init__(self, connection: Connection, task: str, name: str, home: dict[str, Any]) -> None:
        self._connection = connection
        self._home = home
        self._outgoing = Outgoing(task, name)
        self._posted: dict[int, Posted] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._collector: asyncio.Task[None] | None = None

    async def send(self, frozen: Image, timeout: float | None, *, request: bool = False) -> Posted:
        """Send a message; returns when it was accepted.

        Raises MailboxFull if there was no room for it within `timeout` s; NodeUnreachable, and then
        it may have been accepted or not; NotReceived if the task has ended.
        """
        posted = Posted(self._outgoing.begin(request=request, watched=True))
        self._posted[posted.number] = posted
        try:
            async with self._gate:
                await self._deliver(posted, frozen, timeout)
        except BaseException:
            self._outgoing.given_up(posted.number)
            del self._posted[posted.number]
            raise
        self._outgoing.accepted(posted.number)
        if not request and (what := self._outgoing.settled(posted.number)) is not None:
            self._outgoing.open.pop(posted.number, None)  # news of it came before this one
            self._settle({posted.number: what})
        if self._collector is None or self._collector.done():
            self._collector = asyncio.create_task(self._collect())
        return posted

    def forget(self, posted: Posted) -> None:
        """Nobody waits for the reply any more."""
        self._outgoing.open.pop(posted.number, None)
        self._posted.pop(posted.number, None)

    async def close(self, error: HetmigError) -> None:
        """Stop asking for news."""
        if self._collector is not None:
            self._collector.cancel()
            await asyncio.gather(self._collector, return_exceptions=True)
        self._fail(error)

    async def _deliver(self, posted: Posted, frozen: Image, timeout: float | None) -> None:
        views = [memoryview(frame) for frame in frozen.frames]
        parcel, began, heard = Parcel(frozen.manifest(), views, True), time.monotonic(), None
        pause = _PAUSE
        while True:
            try:
                about = self._outgoing.described(posted.number)
                told = await self._ask(protocol.SEND, about, parcel, _ANSWER_SECONDS)
                posted.detour = bool(told[0].get("detour"))
                return
            except MailboxFull:
                heard = None
                if timeout is not None and time.monotonic() - began >= timeout:
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)
            except InMotion:
                heard = None
            except NodeUnreachable:
                heard = heard or time.monotonic()
                if time.monotonic() - heard > _PATIENCE:
                    raise
            await asyncio.sleep(pause)

    async def _collect(self) -> None:
        heard = time.monotonic()
        while self._outgoing.open:
            asked = self._outgoing.question(_POLL_SECONDS)
            try:
                told, parcel = await self._ask(
                    protocol.REPLIES, asked, None, _POLL_SECONDS + _ANSWER_SECONDS
                )
            except (InMotion, NodeUnreachable) as error:
                if isinstance(error, InMotion):
                    heard = time.monotonic()
                elif time.monotonic() - heard > _PATIENCE:
                    return self._fail(error)
                await asyncio.sleep(_PAUSE)
                continue
            except HetmigError as error:
                return self._fail(error)
            heard = time.monotonic()
            frames = [] if parcel is None else list(parcel.frames)
            found = self._outgoing.hear(told, frames)
            self._settle(found)
            if not found:
                await asyncio.sleep(_PAUSE)

    def _settle(self, found: dict[int, Outcome]) -> None:
        failed = [what.error for what in found.values() if isinstance(what.error, TaskLost)]
        if failed:  # perhaps nobody waits for these
            _log.warning("messages in vain, %d of them: %s", len(failed), failed[0])
        for number, what in found.items():
            posted = self._posted.pop(number, None)
            if posted is not None and not posted.outcome.done():
                posted.outcome.set_result(what)

    def _fail(self, error: HetmigError) -> None:
        """Nothing more will be heard."""
        accepted = [n for n in self._outgoing.open if n not in self._outgoing.unaccepted]
        for number in accepted:
            del self._outgoing.open[number]
        self._settle({number: Outcome(error) for number in accepted})

    async def _ask(
        self, kind: str, about: dict[str, Any], parcel: Parcel | None, timeout: float
    ) -> tuple[dict[str, Any], Parcel | None]:
        return await self._connection.ask(kind, {**about, "home": self._home}, parcel, timeout)


class SentMessage:
    """A message that the task's mailbox has accepted."""

    def __init__(self, nodes: Nodes, posted: Posted) -> None:
        self._nodes, self._posted = nodes, posted

    @property
    def detour(self) -> bool:
        """Whether our node looked for the task where it was no more, and then found it."""
        return self._posted.detour

    def received(self, timeout: float | None = None) -> None:
        """Wait until the task has received it.

        Raises NotReceived if it has ended before, TaskLost if nobody can say, TimeoutError.
        """
        settle(self._nodes._call(within(self._posted, timeout)))


class Messages:
    """Messages to tasks through a connection, for programs with threads."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def send(
        self, task: str, name: str, home: dict[str, Any], value: object, timeout: float | None
    ) -> SentMessage:
        """Send a message; returns when it was accepted."""
        frozen = freeze_message(value)
        connection = self._nodes._connection
        sending = connection.send(task, home, frozen, timeout, name=name)
        return SentMessage(self._nodes, self._nodes._call(sending))

    def request(
        self, task: str, name: str, home: dict[str, Any], value: object, timeout: float | None
    ) -> Any:
        """Send a request and wait for the reply."""
        frozen = freeze_message(value)
        replied = self._nodes._connection.replied((task, name, home), frozen, timeout)
        with bound_to(self._nodes):
            return settle(self._nodes._call(replied))


async def within(posted: Posted, timeout: float | None) -> Outcome:
    """What becomes of a message, as soon as that is known.  Raises TimeoutError."""
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.shield(posted.outcome)
    except TimeoutError:
        raise TimeoutError(f"nothing was heard of it within {timeout:g} s") from None
