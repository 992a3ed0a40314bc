"""What others send to a node: requests, which are answered, and notes of handoffs."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import zmq.asyncio

from hetmig.errors import HetmigError, ProtocolError
from hetmig.node import protocol, requests, rights, sockets
from hetmig.node.background import spawn
from hetmig.node.events import happened
from hetmig.node.handoff import Note
from hetmig.node.hosted import Hosted
from hetmig.node.link import Link
from hetmig.node.protocol import Buffer, Message, want
from hetmig.node.rehoming import residents

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Reception"]

_log = logging.getLogger("hetmig")
_NOTES = frozenset(note.value for note in Note)


class Reception:
    """Whoever connects to the node: who that may be, and what becomes of what they send."""

    def __init__(self, node: Node, door: zmq.asyncio.Socket) -> None:
        self._node = node
        self._sessions: dict[bytes, bytes] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._transport = sockets.Transport(door, self._received)

    def stop(self) -> None:
        """Answer nothing more."""
        for task in self._answering:
            task.cancel()

    def close(self) -> None:
        """Close the door."""
        self._transport.close()

    def _received(self, frames: list[zmq.Frame]) -> None:
        try:
            self._dispatch(frames)
        except HetmigError as error:
            happened("rejected", reason=type(error).__name__)
            self._fail(frames[0].bytes, error.data.get("request", 0), error)

    def lets_in(self, key: bytes) -> bool:
        """Whether who holds this key may connect."""
        return self._node.keyring.is_authorized(key) or self._node.files.granted(key) is not None

    def _dispatch(self, frames: list[zmq.Frame]) -> None:
        message = protocol.decode(frames[1:], self._node.caps.message)
        message.route, message.user = frames[0].bytes, str(frames[1].get("User-Id")).encode()
        number = want(message.header, "id", int, 0)
        files = self._node.files
        if message.kind == protocol.FILE and (who := files.granted(message.user)) is not None:
            spawn(files.answer(who, message, number))
            return
        try:
            rights.admit(message, self._node.keyring)
        except HetmigError as error:
            error.data["request"] = number
            if not self._node.keyring.is_authorized(message.user):
                self._sessions.pop(message.user, None)  # what it has recorded is worth nothing
            raise
        if message.kind in _NOTES:
            route = message.route  # and not the message, whose payload may be large
            self._note(message, lambda kind, header: self.send(route, kind, header))
        else:
            task = asyncio.create_task(self._answer(message, number))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, message: Message, number: int) -> None:
        try:
            handler = requests.HANDLERS.get(message.kind)
            if handler is None:
                raise ProtocolError(f"{message.kind!r} is no request")
            header, payload = await handler(self._node, message)
            rights.admit(message, self._node.keyring)  # the key may have been withdrawn meanwhile
            self.send(message.route, protocol.REPLY, {**header, "re": number}, payload)
        except HetmigError as error:
            happened("rejected", reason=type(error).__name__, request=message.kind)
            self._fail(message.route, number, error)
        except Exception as error:
            _log.exception("a request %r failed", message.kind)
            self._fail(message.route, number, error)

    def _fail(self, route: bytes, number: int, error: Exception) -> None:
        header = {"re": number, "error": protocol.describe_error(error)}
        self.send(route, protocol.ERROR, header)

    def send(
        self, route: bytes, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()
    ) -> None:
        """Send something to who has this connection."""
        self._transport.send([route, *protocol.encode(kind, header, payload)])

    def hear_peer(self, message: Message, link: Link) -> None:
        """Something unasked from a node that we connected to."""
        node = self._node
        message.user = link.server_key
        try:
            rights.admit(message, node.keyring)
        except HetmigError as error:
            _log.warning("from %s: %s", link.endpoint, error)
            return
        if message.kind == protocol.ACK:
            key = want(message.header, "report", str)
            place = {"endpoint": link.endpoint, "key": link.server_key.decode()}
            node.directory.outbox(place).acknowledge(key)
            node.journal.posted(link.endpoint, key)
            node.syncing.soon()
        elif message.kind == protocol.FENCE:
            node.void(message)
        elif message.kind == protocol.REHOMED:
            spawn(residents.heard(node, message))
        elif message.kind in _NOTES:
            self._note(message, link.post)

    def _note(self, message: Message, answer: Callable[[str, dict[str, Any]], None]) -> None:
        """A note of a handoff.  A task never heard of may be offered, and nothing else."""
        node = self._node
        node.partners.check(message)
        task = want(message.header, "task", str)
        hosted = node.tasks.get(task) or Hosted(node, task)
        if message.kind == Note.OFFER.value:
            node.forget_old_tasks()
            node.tasks[task] = hosted
        memory = want(message.header, "memory", str, None)
        remembers = memory is None or memory == node.journal.memory
        hosted.transitions.receive(message, answer, self.session(message.user), remembers)

    def session(self, user: bytes) -> bytes:
        """The key with which parcels from this user are sealed, told inside the CURVE channel."""
        if user not in self._sessions:
            self._sessions[user] = secrets.token_bytes(32)
        return self._sessions[user]
