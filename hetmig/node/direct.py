"""The short way from a task's process to a node that has its files: one link, and not two.

What is read and written goes there without passing the node that the task is on.  That node has
vouched for this process, whose key is good for nothing else.  Where there is no such way, or it
breaks, the node carries all as it carries everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import zmq

from hetmig.errors import HetmigError, ProtocolError
from hetmig.node import protocol, sockets
from hetmig.node.channel import OwnedLock
from hetmig.node.keys import Identity
from hetmig.node.protocol import Buffer, Message

__all__ = ["Direct"]


class Direct:
    """The links of one process."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.lock = OwnedLock()
        self.key: str = config["public"]
        self._identity = Identity(self.key.encode(), config["secret"].encode())
        self._context: zmq.Context[Any] | None = None
        self._links: dict[str, zmq.Socket[Any] | None] = {}

    def is_decided(self, place: Mapping[str, Any]) -> bool:
        """Whether it is known if there is a way to that node."""
        return place["endpoint"] in self._links

    def leads_to(self, place: Mapping[str, Any]) -> bool:
        """Whether there is one."""
        return self._links.get(place["endpoint"]) is not None

    def open(self, place: Mapping[str, Any], allowed: bool) -> None:
        """From now on there is a way to that node, if it allows it."""
        with self.lock:
            self._links[place["endpoint"]] = None
            if allowed:
                self._context = self._context or zmq.Context()
                key, endpoint = place["key"].encode(), place["endpoint"]
                self._links[endpoint] = sockets.make_link(
                    self._context, self._identity, key, endpoint
                )

    def close(self, place: Mapping[str, Any]) -> None:
        """The way is of no use any more."""
        with self.lock:
            link, self._links[place["endpoint"]] = self._links.get(place["endpoint"]), None
            if link is not None:
                link.close(linger=0)

    def send(
        self,
        place: Mapping[str, Any],
        number: int,
        header: Mapping[str, Any],
        payload: Sequence[Buffer],
    ) -> bool:
        """Ask there; False if there is no way."""
        with self.lock:
            link = self._links.get(place["endpoint"])
            if link is None:
                return False
            link.send_multipart(
                protocol.encode(protocol.FILE, {**header, "id": number}, payload), copy=False
            )
            return True

    def receive(self, place: Mapping[str, Any], seconds: float) -> list[Message]:
        """What has come from there, or comes within this time."""
        found: list[Message] = []
        with self.lock:
            link = self._links.get(place["endpoint"])
            while link is not None and link.poll(0 if found else int(seconds * 1000)):
                frames: Any = link.recv_multipart(copy=False)
                try:
                    found.append(protocol.decode(frames))
                except (ProtocolError, HetmigError):
                    continue
        return found
