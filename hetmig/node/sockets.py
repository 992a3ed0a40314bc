"""Sockets which are safe by default, and the gatekeeper that decides who may connect to them.

CURVE fails open: without somebody to answer libzmq's authentication requests (ZAP), or with a
socket of another ZAP domain than that somebody knows, any client key is let in.  So every door
names its domain and enforces it, and the gatekeeper turns away all it has no rule for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils import z85

from hetmig.errors import HetmigError
from hetmig.node.keys import Identity
from hetmig.node.protocol import LIMITS, Buffer

__all__ = [
    "Gatekeeper",
    "Transport",
    "has_come",
    "make_door",
    "make_link",
    "new_event_loop",
    "receive",
    "send",
]

_log = logging.getLogger("hetmig")
_NO_COPY = 64 * 1024
# As plain numbers: pyzmq's own are enumerations, whose operators are Python functions, and those
# which a message passes by on its way are run once in a while, with caches cold.
_DONTWAIT, _MORE = int(zmq.DONTWAIT), int(zmq.SNDMORE)
_POLLIN, _POLLOUT, _EVENTS = int(zmq.POLLIN), int(zmq.POLLOUT), int(zmq.EVENTS)
_ENVELOPE = 64
"""Bytes that CURVE adds to a frame."""
HANDSHAKE = 20_000
"""Milliseconds for who connects to prove who they are; a busy machine is slow at it."""
LINGER = 1000
"""Milliseconds a closing socket may still take to send."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An event loop on which ZeroMQ's sockets can be awaited: Windows' usual one can't do that."""
    return asyncio.new_event_loop() if os.name == "posix" else asyncio.SelectorEventLoop()


class Gatekeeper:
    """Answers ZAP requests: CURVE only, and only keys for which the domain's rule says yes."""

    def __init__(self, context: zmq.asyncio.Context) -> None:
        self._rules: dict[bytes, Callable[[bytes], bool]] = {}
        self._socket = context.socket(zmq.REP)
        self._socket.bind("inproc://zeromq.zap.01")
        self._task = asyncio.create_task(self._serve())

    def admit(self, domain: str, rule: Callable[[bytes], bool]) -> None:
        """In this domain, ask `rule` about the client's public key (Z85)."""
        self._rules[domain.encode()] = rule

    async def close(self) -> None:
        """Stop answering: from here on nobody gets in."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._socket.close(linger=0)

    async def _serve(self) -> None:
        while True:
            frames = await self._socket.recv_multipart()
            request = frames[1] if len(frames) > 1 else b""
            user = self._judge(frames)
            verdict = [b"200", b"OK", user] if user else [b"400", b"key not authorized", b""]
            await self._socket.send_multipart([b"1.0", request, *verdict, b""])

    def _judge(self, frames: list[bytes]) -> bytes | None:
        """The user id (public key) of a request that is granted."""
        if len(frames) != 7 or frames[0] != b"1.0" or frames[5] != b"CURVE" or len(frames[6]) != 32:
            return None
        rule = self._rules.get(frames[2])
        public = z85.encode(frames[6])
        try:
            if rule is not None and rule(public):
                return public
        except Exception as error:  # whatever it is: nobody gets in by it, and we go on judging
            _log.error("a key could not be checked, so it is turned away: %s", error)
        return None


def make_door(
    context: zmq.asyncio.Context,
    identity: Identity,
    domain: str,
    listen: str,
    *,
    heartbeats: bool = True,
    largest: int = LIMITS.frame,
) -> tuple[zmq.asyncio.Socket, str]:
    """A ROUTER behind CURVE, and the endpoint it listens at (port 0 or * lets the OS choose).

    `heartbeats` end a connection whose other side is silent; it comes back under another route.
    One that sends a frame of more than `largest` bytes is ended too, before memory is taken.
    """
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, identity.secret)
    socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    # Nothing is sent here but answers to requests, so a slow receiver cannot pile up more than
    # it asked for; a high-water mark would let one of them stall all others.
    socket.setsockopt(zmq.SNDHWM, 0)
    _harden(socket, heartbeats, largest)
    try:
        socket.bind(listen)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise HetmigError(f"cannot listen on {listen}: {_explained(error)}") from error
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return socket, endpoint.rstrip(b"\0").decode()


def _explained(error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return "something else, another node perhaps, listens there; choose another port, 0 for any"
    return zmq.strerror(error.errno) if error.errno else str(error)


def make_link(
    context: zmq.Context[Any],
    identity: Identity,
    server_key: bytes,
    endpoint: str,
    *,
    heartbeats: bool = True,
) -> zmq.Socket[Any]:
    """A DEALER to the door at `endpoint`, which must prove that it has `server_key`.

    It connects in the background; what is sent before waits.
    """
    socket: zmq.Socket[Any] = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, identity.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, identity.secret)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
    _harden(socket, heartbeats)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise HetmigError(f"{endpoint!r} is no endpoint: {error}") from error
    return socket


def _harden(socket: zmq.Socket[Any], heartbeats: bool, largest: int = LIMITS.frame) -> None:
    socket.setsockopt(zmq.LINGER, LINGER)
    socket.setsockopt(zmq.MAXMSGSIZE, largest + _ENVELOPE)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE)
    if heartbeats:
        socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10_000)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)


class Transport:
    """A socket in the running event loop: hands on each message that comes, and sends.

    `zmq.asyncio` makes a future, and takes turns of the loop, for each message: about as long as
    the rest of the way to another process, and for a move there are seven.

    libzmq's descriptor tells only that something has changed since somebody last looked, and
    sending looks, too.  So after each message sent one has to look what has come meanwhile.
    """

    _AT_ONCE = 20
    """So many messages are taken in before others have their turn."""

    def __init__(
        self, socket: zmq.asyncio.Socket, receive: Callable[[list[zmq.Frame]], None]
    ) -> None:
        """`receive` is called with the frames of each message; what it raises is logged."""
        self._owned = socket
        self._socket: zmq.Socket[bytes] = zmq.Socket.shadow(socket.underlying)
        self._receive = receive
        self._unsent: deque[Sequence[Buffer]] = deque()
        self._is_reading = self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._descriptor = self._socket.FD
        self._awaiting: asyncio.Task[None] | None = None
        self._next: asyncio.Handle | None = None
        try:
            self._loop.add_reader(self._descriptor, self._read)
            self._next = self._loop.call_soon(self._again)
        except NotImplementedError:  # Windows' usual loop, if it is not ours to choose
            self._awaiting = self._loop.create_task(self._await())

    def send(self, frames: Sequence[Buffer]) -> None:
        """Send without waiting.  A receiver that is gone is no error: who waits has a deadline."""
        if self._awaiting is not None:
            self._await_sent(frames)
            return
        self._unsent.append(frames)
        self._write()
        if not self._is_reading and not self._is_closed:
            self._look()

    def close(self) -> None:
        """Receive no more; what was sent still goes out."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._awaiting is not None:
            self._awaiting.cancel()
        else:
            self._loop.remove_reader(self._descriptor)
        if self._next is not None:
            self._next.cancel()
        self._owned.close()

    async def _await(self) -> None:
        while True:
            frames: Any = await self._owned.recv_multipart(copy=False)
            self._hand_on(frames)

    def _await_sent(self, frames: Sequence[Buffer]) -> None:
        with contextlib.suppress(zmq.ZMQError):  # closed
            sent: Any = self._owned.send_multipart(list(frames), copy=not _is_large(frames))
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _look(self) -> None:
        """Come back if there is something to do already: the descriptor will not tell."""
        if self._next is None:
            wanted = _POLLIN | _POLLOUT if self._unsent else _POLLIN
            if has_come(self._socket, wanted):
                self._next = self._loop.call_soon(self._again)

    def _again(self) -> None:
        self._next = None
        self._read()

    def _read(self) -> None:
        """Something may have come, or can be sent now."""
        self._is_reading = True
        try:
            for _ in range(self._AT_ONCE):
                # To ask first is quicker than the exception that there is nothing.
                if not has_come(self._socket):
                    break
                self._hand_on(receive(self._socket, _DONTWAIT))
                if self._is_closed:
                    return
            else:
                self._next = self._next or self._loop.call_soon(self._again)
        finally:
            self._is_reading = False
        if self._unsent:
            self._write()
            self._look()

    def _hand_on(self, frames: list[zmq.Frame]) -> None:
        try:
            self._receive(frames)
        except Exception:
            _log.exception("a message could not be handled")

    def _write(self) -> None:
        while self._unsent and not self._is_closed:
            try:
                send(self._socket, self._unsent[0], _DONTWAIT)
            except zmq.Again:  # for the first frame only
                return  # the descriptor will tell
            except zmq.ZMQError as error:
                _log.debug("a message could not be sent: %s", error)
            self._unsent.popleft()


def has_come(socket: zmq.Socket[Any], events: int = _POLLIN) -> bool:
    """Whether there is a message, or what else is asked for, at this moment."""
    return bool(int(socket.get(_EVENTS)) & events)


def send(socket: zmq.Socket[Any], frames: Sequence[Buffer], flags: int = 0) -> None:
    """Send the frames as one message, uncopied if they are large."""
    copy = not _is_large(frames)
    for frame in frames[:-1]:
        socket.send(frame, flags | _MORE, copy)
    socket.send(frames[-1], flags, copy)


def receive(socket: zmq.Socket[Any], flags: int = 0) -> list[zmq.Frame]:
    """The frames of the next message."""
    frames: list[zmq.Frame] = [socket.recv(flags, copy=False)]
    while frames[-1].more:
        frames.append(socket.recv(flags, copy=False))
    return frames


def _is_large(frames: Sequence[Buffer]) -> bool:
    return max(map(len, frames)) > _NO_COPY
