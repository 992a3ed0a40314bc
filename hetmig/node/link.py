"""A connection to a node: requests that get one answer, and notes that get none."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from hetmig.errors import HetmigError, NodeUnreachable, ProtocolError, Unauthorized
from hetmig.node import protocol, sockets
from hetmig.node.keys import Certificate, Identity
from hetmig.node.protocol import Buffer, Message

__all__ = ["Link"]

_log = logging.getLogger("hetmig")
_FAILURES = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
)
_EVENTS = _FAILURES | zmq.EVENT_HANDSHAKE_SUCCEEDED


class Link:
    """To be made and used within a running event loop; connects in the background."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        identity: Identity,
        certificate: Certificate,
        on_note: Callable[[Message, Link], None] | None = None,
    ) -> None:
        self.endpoint = certificate.endpoint
        self.server_key = certificate.public
        self.name = certificate.name
        self.is_broken = False
        """Whether the connection was lost and is not back."""
        self.peer: dict[str, Any] = {}
        """What the node said of itself in its WELCOME; empty before."""
        self._limits = protocol.LIMITS
        self._on_note = on_note
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Message]] = {}
        socket = sockets.make_link(context, identity, certificate.public, self.endpoint)
        assert isinstance(socket, zmq.asyncio.Socket)
        self._socket = socket
        self._monitor = self._socket.get_monitor_socket(_EVENTS)
        self._transport = sockets.Transport(socket, self._received)
        self._watching = asyncio.create_task(self._watch())

    def post(self, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()) -> None:
        """Send a note.  Raises MessageTooLarge for what the node has said that it does not take."""
        self._transport.send(protocol.encode(kind, header, payload, self._limits))

    async def request(
        self,
        kind: str,
        header: dict[str, Any],
        payload: Sequence[Buffer] = (),
        *,
        timeout: float,
    ) -> Message:
        """Send a request and wait for its answer, at most `timeout` seconds.

        Raises the error the node answered with, NodeUnreachable when no answer came, or
        Unauthorized when the node turned our key away.
        """
        number = next(self._numbers)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            self.post(kind, {**header, "id": number}, payload)
            # not wait_for: before Python 3.12 it can lose a cancellation that meets the answer
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise NodeUnreachable(
                f"no answer from {self.endpoint} within {timeout:g} s", endpoint=self.endpoint
            ) from None
        finally:
            del self._pending[number]

    async def hello(self, about: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        """Introduce ourselves; what the node says of itself, its session key included."""
        header = {"protocol": protocol.VERSION, **about}
        answer = await self.request(protocol.HELLO, header, timeout=timeout)
        self.peer = answer.header
        self.name = str(answer.header.get("name", self.name))
        self._limits = protocol.limits_of(answer.header.get("caps"))
        return self.peer

    async def close(self) -> None:
        """Close the connection; pending requests fail."""
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        self._fail(NodeUnreachable(f"the connection to {self.endpoint} was closed"))
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._transport.close()

    def _received(self, frames: list[zmq.Frame]) -> None:
        try:
            self._dispatch(protocol.decode(frames))
        except ProtocolError as error:
            _log.warning("from %s: %s", self.endpoint, error)

    def _dispatch(self, message: Message) -> None:
        if message.kind in (protocol.REPLY, protocol.ERROR):
            future = self._pending.get(protocol.want(message.header, "re", int))
            if future is None or future.done():
                return  # the answer came after the deadline
            if message.kind == protocol.REPLY:
                future.set_result(message)
            else:
                future.set_exception(protocol.rebuild_error(message.header.get("error")))
        elif self._on_note is not None:
            self._on_note(message, self)

    async def _watch(self) -> None:
        """Tell a key that was turned away, and a node that is gone, from one that is silent."""
        while True:
            event = parse_monitor_message(await self._monitor.recv_multipart())
            self.is_broken = event["event"] != zmq.EVENT_HANDSHAKE_SUCCEEDED
            if not self.is_broken:
                continue
            if event["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                self._fail(
                    Unauthorized(
                        f"{self.endpoint} does not authorize our key: `hetmig keys export` writes "
                        "it, for `hetmig keys add` there"
                    )
                )
            elif event["event"] == zmq.EVENT_DISCONNECTED:
                # An answer would be for the old connection, and never reach the next one.
                reason = f"the connection to {self.endpoint} broke"
                self._fail(NodeUnreachable(reason, endpoint=self.endpoint))
            else:
                reason = (
                    f"{self.endpoint} did not prove that it holds the key we know of it: use its "
                    "own directory of keys (--keys, keys=), or `hetmig keys add` its present key"
                )
                self._fail(NodeUnreachable(reason, endpoint=self.endpoint))

    def _fail(self, error: HetmigError) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_exception(error)
