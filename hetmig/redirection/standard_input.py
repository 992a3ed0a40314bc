"""A task's `sys.stdin` and `input()`: what its submitter has to say, wherever the task is.

Written in Python all through, so that a task can be moved while it waits in them.  What was read
and not used travels with the task.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["TaskInput", "ask", "connect"]

More = Callable[[int], bytes]


def _nothing(number: int) -> bytes:
    return b""


_more: More = _nothing


def connect(more: More) -> None:
    """`more(n)` waits for the n-th piece of what the submitter says; empty at its end."""
    global _more
    _more = more


class TaskInputBytes(io.BufferedIOBase):
    """`sys.stdin.buffer`."""

    name = "<stdin>"
    mode = "rb"

    def __init__(self) -> None:
        self.data = b""
        self.next = 1
        """The number of the piece that comes next."""
        self.ended = False

    # and no `__reduce_ex__`: a task may move while it is inside of a method
    def __hetmig_reduce__(self) -> tuple[Any, ...]:
        return getattr, (sys.stdin, "buffer")

    def readable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """That of standard input, on which nothing is to be read."""
        return 0

    def fill(self) -> bool:
        """Wait for more; False at the end."""
        if not self.ended:
            piece = _more(self.next)
            if piece:
                self.data += piece
                self.next += 1
                return True
            self.ended = True
        return False

    def take(self, size: int) -> bytes:
        """So many bytes of what is here."""
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or all until the end."""
        if size is None or size < 0:
            while self.fill():
                pass
            return self.take(len(self.data))
        while len(self.data) < size and self.fill():
            pass
        return self.take(size)

    def read1(self, size: int = -1, /) -> bytes:
        """What is here, or comes next."""
        if not self.data and size != 0:
            self.fill()
        return self.take(len(self.data) if size < 0 else size)

    def peek(self, size: int = 0, /) -> bytes:
        """What is here, or comes next, left there."""
        if not self.data:
            self.fill()
        return self.data

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer."""
        return self._into(buffer, self.read)

    def readinto1(self, buffer: Any, /) -> int:
        """Fill a buffer with what is here, or comes next."""
        return self._into(buffer, self.read1)

    def _into(self, buffer: Any, read: Callable[[int], bytes]) -> int:
        view = memoryview(buffer).cast("B")
        found = read(len(view))
        view[: len(found)] = found
        return len(found)

    def readline(self, size: int | None = -1, /) -> bytes:
        """One line."""
        most = -1 if size is None else size
        seen = 0
        while (end := self.data.find(b"\n", seen) + 1) == 0 and not 0 <= most <= len(self.data):
            seen = len(self.data)
            if not self.fill():
                break
        line = self.take(end or len(self.data))
        if 0 <= most < len(line):
            line, self.data = line[:most], line[most:] + self.data
        return line

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line


class TaskInput(io.TextIOBase):
    """`sys.stdin`."""

    name = "<stdin>"
    mode = "r"
    encoding = "utf-8"
    errors = "strict"
    newlines = None
    line_buffering = False

    def __init__(self) -> None:
        self.buffer: Any = TaskInputBytes()
        self._decoder = _decoder()
        self._text = ""

    def state(self) -> dict[str, Any]:
        """All of it, to travel with the task."""
        bytes_ = self.buffer
        said = {"data": bytes_.data, "next": bytes_.next, "ended": bytes_.ended}
        return {**said, "text": self._text, "decoder": self._decoder.getstate()}

    def arrive(self, state: Mapping[str, Any]) -> None:
        """The task comes from another process."""
        bytes_ = self.buffer
        bytes_.data, bytes_.next, bytes_.ended = state["data"], state["next"], state["ended"]
        self._text = state["text"]
        self._decoder.setstate(state["decoder"])

    def __hetmig_reduce__(self) -> tuple[Any, ...]:
        return getattr, (sys, "stdin")

    def readable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """That of standard input, on which nothing is to be read."""
        return 0

    def _fill(self) -> bool:
        piece = self.buffer.read1()
        self._text += self._decoder.decode(piece, not piece)
        return bool(piece)

    def read(self, size: int | None = -1, /) -> str:
        """So many characters, or all until the end."""
        everything = size is None or size < 0
        while (everything or len(self._text) < size) and self._fill():  # type: ignore[operator]
            pass
        count = len(self._text) if everything else size
        taken, self._text = self._text[:count], self._text[count:]
        return taken

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        """One line."""
        most = -1 if size is None else size
        seen = 0
        while (end := self._text.find("\n", seen) + 1) == 0 and not 0 <= most <= len(self._text):
            seen = len(self._text)
            if not self._fill():
                break
        end = end or len(self._text)
        if 0 <= most < end:
            end = most
        line, self._text = self._text[:end], self._text[end:]
        return line

    def readlines(self, hint: int | None = -1, /) -> list[str]:  # type: ignore[override]
        """All lines that are left, or some."""
        lines: list[str] = []
        size = 0
        for line in self:
            lines.append(line)
            size += len(line)
            if hint is not None and 0 < hint <= size:
                break
        return lines

    def __next__(self) -> str:  # type: ignore[override]  # bytes, says its other base
        line = self.readline()
        if not line:
            raise StopIteration
        return line


def _decoder() -> io.IncrementalNewlineDecoder:
    return io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("strict"), True)


def ask(prompt: object = "", /) -> str:
    """`input()` of a task."""
    sys.audit("builtins.input", prompt)
    if sys.stdin is None or sys.stdout is None:
        raise RuntimeError("input(): lost sys.stdin or sys.stdout")
    sys.stderr.flush()
    sys.stdout.write(str(prompt))
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")
