"""A runner's one connection to its node, shared by its threads and by a signal handler."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import zmq

from hetmig.node import protocol, sockets
from hetmig.node.keys import Identity
from hetmig.node.protocol import Buffer, Message

__all__ = ["Channel", "OwnedLock"]


class OwnedLock:
    """A lock that says who holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.owner: int | None = None

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; whether it could be taken."""
        if not self._lock.acquire(blocking):
            return False
        self.owner = threading.get_ident()
        return True

    def release(self) -> None:
        """Give it back."""
        self.owner = None
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Channel:
    """`send` and `receive` expect the caller to hold `lock`.

    The lock is not reentrant on purpose: a signal handler that finds it taken may have interrupted
    the very code that sends, and has to leave the socket alone.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.lock = OwnedLock()
        self.received = 0
        """Messages so far."""
        identity = Identity(config["public"].encode(), config["secret"].encode())
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = sockets.make_link(
            self._context,
            identity,
            config["server"].encode(),
            config["endpoint"],
            heartbeats=False,
        )

    def send(self, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()) -> None:
        """Send a message."""
        sockets.send(self._socket, protocol.encode(kind, header, payload))

    def receive(self) -> Message:
        """Wait for a message."""
        frames = sockets.receive(self._socket)
        self.received += 1
        return protocol.decode(frames)

    def arrives_within(self, seconds: float) -> bool:
        """Whether a message is there, or comes within this time."""
        if sockets.has_come(self._socket):  # which is quicker to ask
            return True
        return seconds > 0 and bool(self._socket.poll(int(seconds * 1000)))
