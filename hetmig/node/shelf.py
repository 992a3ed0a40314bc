"""Where a passive object lies: it plays the runner of a task which does nothing.

A node never unpickles an object, it only keeps the frozen state.  To everything else an object is a
task: it has a home node, a record, epochs, and moves by the same handoff.  The arguments of a call
that is to begin at another node lie on a shelf as well, until they are handed over.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.node import protocol
from hetmig.node.protocol import Buffer, Message

__all__ = ["Shelf", "Shelves"]


class Shelves:
    """All objects of a node, and the memory they may take together."""

    LIMIT = min(4 << 30, sys.maxsize // 4)
    """Bytes."""
    EACH = 4096
    """Bytes that an object costs beside its own: the records of it."""

    def __init__(self) -> None:
        self.used = 0

    def make(self, manifest: dict[str, Any], nbytes: int) -> Shelf:
        """Room for an object of this size.  Raises NotMigratable if there is none."""
        self.require(nbytes)
        return Shelf(self, manifest, nbytes + self.EACH)

    def require(self, nbytes: int) -> None:
        """Raise NotMigratable if an object of this size has no room."""
        if self.used + nbytes + self.EACH > self.LIMIT:
            raise NotMigratable(
                f"there is no room for an object of {nbytes} bytes: the node keeps {self.LIMIT} "
                f"at most and has {self.used}; delete objects, or move them to another node"
            )


class Shelf:
    """One object.  It has the face of a `Runner`."""

    def __init__(self, shelves: Shelves, manifest: dict[str, Any], nbytes: int) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[Any] = loop.create_future()
        self.on_message: Callable[[Message], None] | None = None
        self.frames: list[Buffer] = []
        self._shelves = shelves
        self._manifest = manifest
        self._events = 0
        """Of a task that has written something before it was laid here."""
        self.nbytes = nbytes
        shelves.used += nbytes

    @property
    def manifest(self) -> dict[str, Any]:
        """What the object says of itself, as the one who froze it has written it."""
        return {**self._manifest, "task": {}}

    def send(self, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()) -> None:
        """What a runner is told: there is nothing to be put together, and it is always frozen."""
        if kind == protocol.STAGE:
            self.frames = list(payload)
            self._events = header["about"].get("events", 0)
            self._say(protocol.STAGED, {})
        elif kind == protocol.FREEZE:
            self._say(protocol.FROZEN, self._frozen(header["request"]), self.frames)
        elif kind == protocol.GONE:
            self.kill()

    def interrupt(self, signum: int) -> None:
        """There is nothing to interrupt."""

    def ask(self) -> None:
        """There is nobody to ask."""

    def kill(self) -> None:
        """Forget the object."""
        self.frames = []
        self._shelves.used -= self.nbytes
        self.nbytes = 0

    def _frozen(self, request: int) -> dict[str, Any]:
        return {
            "request": request,
            "started": time.monotonic(),
            "events": self._events,
            "kind": self._manifest["kind"],
            "description": [],
            "manifest": self.manifest,
        }

    def _say(self, kind: str, header: dict[str, Any], payload: Sequence[Buffer] = ()) -> None:
        def deliver() -> None:
            if self.on_message is not None:
                self.on_message(Message(kind, header, list(payload)))

        asyncio.get_running_loop().call_soon(deliver)
