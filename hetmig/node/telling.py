"""What a runner tells of its task: what it writes, piece by piece, and how far it is."""

from __future__ import annotations

import threading
from collections import deque

from hetmig.node import protocol
from hetmig.node.channel import Channel
from hetmig.node.progress import Progress
from hetmig.node.streams import Outlets

__all__ = ["Telling"]


class Telling:
    """The numbered messages of the task in this process."""

    def __init__(self, channel: Channel, outlets: Outlets) -> None:
        self.events = 0
        """How many there were, counted over the task's whole journey."""
        self._channel = channel
        self._outlets = outlets
        self._early: list[tuple[str, bytes]] | None = []
        self._unsaid: deque[tuple[str, bytes]] = deque()
        self._progress = Progress(
            lambda progress: channel.send(protocol.PROGRESS, {"progress": progress})
        )

    def begin(self) -> None:
        """The task starts, or goes on: what was written before that goes out."""
        with self._channel.lock:
            early, self._early = self._early, None
            for stream, piece in early or ():
                self.emit(stream, piece)

    @property
    def is_speaking(self) -> bool:
        """Whether this very thread uses the channel."""
        return self._channel.lock.owner == threading.get_ident()

    def number(self) -> int:
        """The number of the next event."""
        self.events += 1
        return self.events

    def emit(self, stream: str, piece: bytes) -> None:
        """Send a piece of this stream.  The caller holds the channel."""
        if self._early is not None:
            self._early.append((stream, piece))
            return
        self._channel.send(protocol.OUTPUT, {"n": self.number(), "stream": stream}, [piece])
        if stream == "stderr" and b"\r" in piece:  # as a bar goes back to draw itself again
            self._progress.look()

    def say(self, stream: str, piece: bytes) -> None:
        """Tell the submitter a piece of this stream, after all that was written before."""
        self._unsaid.append((stream, piece))
        if not self.is_speaking:  # else what speaks now has something to say of itself
            self._say()

    def _say(self) -> None:
        with self._channel.lock:
            self._outlets.drain()
            while self._unsaid:
                self.emit(*self._unsaid.popleft())

    def progress(self, done: float, total: float | None, note: str) -> None:
        """Report progress, at most some times per second."""
        with self._channel.lock:
            self._progress.tell(done, total, note)

    def flush(self) -> None:
        """Send everything that waits to be sent."""
        self._outlets.flush()
        if self._unsaid:
            self._say()
        with self._channel.lock:
            self._progress.look()
            self._progress.flush()

    def pong(self) -> None:
        """Say that this process is alive.  For another thread."""
        if self._channel.lock.acquire(blocking=False):  # else the node asks once more
            try:
                self._channel.send(protocol.PONG, {})
                self._progress.look()
            finally:
                self._channel.lock.release()
