"""What a task writes, wherever it comes from, as one sequence of numbered pieces.

`sys.stdout` and `sys.stderr` of a task send what is written to them directly.  File descriptors 1
and 2 are pipes into the same process, for C code and child processes; they are emptied before each
direct piece is sent, so that the order of writing stays the order of arrival.
"""

from __future__ import annotations

import _thread
import builtins
import io
import os
import select
import sys
from collections.abc import Callable
from typing import Any

from hetmig.node import terminal
from hetmig.node.channel import Channel
from hetmig.redirection.standard_input import TaskInput, ask
from hetmig.state.progress_bars import proxied

__all__ = ["Outlets", "TaskStream"]

_PIECE = 256 * 1024
_POLLED_PIPES = os.name == "posix"
"""One can look whether something is in a pipe.  Where not, what C code and child processes write
stays with the node."""


class TaskStream(io.TextIOWrapper):
    """A task's `sys.stdout` or `sys.stderr`: wherever the task goes, it is the one there."""

    def __init__(self, raw: _Raw) -> None:
        errors = "backslashreplace" if raw.name == "stderr" else "surrogateescape"
        buffered = io.BufferedWriter(raw)
        super().__init__(buffered, "utf-8", errors, newline="\n", line_buffering=True)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return getattr, (sys, self.name)

    def isatty(self) -> bool:
        """Whether the submitter's is a terminal."""
        return self.name in terminal.streams


class _Raw(io.RawIOBase):
    def __init__(self, name: str, number: int, write: Callable[[str, bytes], None]) -> None:
        self.name = name
        self._number = number
        self._write = write
        self._process = os.getpid()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def write(self, data: Any) -> int:
        piece = bytes(data[:_PIECE])  # the rest comes again, as from any pipe
        if os.getpid() == self._process:
            self._write(self.name, piece)
            return len(piece)
        return os.write(self._number, piece)  # a forked child must not touch its parent's socket


class Outlets:
    """Takes over the standard streams and descriptors of this process, for its task."""

    def __init__(self, channel: Channel) -> None:
        self.stdin = TaskInput()
        self._channel = channel
        self.is_open = False
        self._pipes: dict[int, str] = {}
        self._emit: Callable[[str, bytes], None] = lambda name, piece: None

    def open(self, emit: Callable[[str, bytes], None]) -> None:
        """Begin: `emit(stream, piece)` is called with the channel's lock held."""
        self._emit = emit
        self.is_open = True
        self._streams = {}
        for number, name in ((1, "stdout"), (2, "stderr")):
            if _POLLED_PIPES:
                source, sink = os.pipe()
                os.dup2(sink, number, inheritable=True)
                os.close(sink)
                os.set_blocking(source, False)
                self._pipes[source] = name
            self._streams[name] = TaskStream(_Raw(name, number, self._write))
        builtins.input = ask
        for name, stream in {"stdin": self.stdin, **self._streams}.items():
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        # Started below the threading module, whose lists of threads are the task's own.
        _thread.start_new_thread(self._pump, ())

    def flush(self) -> None:
        """Send all that was written so far."""
        for stream in self._streams.values():
            stream.flush()
        with self._channel.lock:
            self.drain()

    @property
    def redirected(self) -> str | None:
        """The name of a stream that the task replaced by another."""
        for name, stream in {"stdin": self.stdin, **self._streams}.items():
            if getattr(sys, name) is not stream and name not in self.proxies:
                return name
        return None

    @property
    def proxies(self) -> dict[str, Any]:
        """By name, what a progress bar has put in the place of a stream."""
        streams = {name: (getattr(sys, name), stream) for name, stream in self._streams.items()}
        return {name: now for name, (now, own) in streams.items() if proxied(now) is own}

    def _write(self, name: str, piece: bytes) -> None:
        with self._channel.lock:
            self.drain()
            self._emit(name, piece)

    def drain(self) -> None:
        """Send what C code and child processes have written; the caller holds the channel."""
        for source, name in list(self._pipes.items()):
            while True:
                try:
                    piece = os.read(source, _PIECE)
                except BlockingIOError:
                    break
                if not piece:  # the task closed the descriptor, and all its children too
                    del self._pipes[source]
                    os.close(source)
                    break
                self._emit(name, piece)

    def _pump(self) -> None:
        while self._pipes:
            select.select(list(self._pipes), [], [])
            with self._channel.lock:
                self.drain()
