"""Read-ahead: what a sequential reader will ask for next is asked for while it still works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from hetmig.redirection.line import Line

__all__ = ["ReadAhead"]

_FIRST, _LARGEST = 64 << 10, 1 << 20
"""Bytes of a question: it doubles as long as reading goes on where it ended."""
_WINDOW = 4
"""Questions which are open at a time."""

Question = Callable[[int, int], dict[str, object]]


class _Asked(NamedTuple):
    at: int
    size: int
    number: int


class ReadAhead:
    """The part of a file that is here already, and the parts that are on their way."""

    def __init__(self, question: Question) -> None:
        """`question(at, size)` is what to ask for a part."""
        self._question = question
        self._part = memoryview(b"")
        self._begin = 0
        self._asked: deque[_Asked] = deque()
        self._size = 0
        self._next = -1
        """Where the last read ended."""

    def put(self, at: int, data: bytes) -> None:
        """What was read before at this place, and not used."""
        self._part, self._begin, self._next = memoryview(data), at, at

    def forget(self, line: Line) -> None:
        """What is here, or on its way, may not be what the file holds."""
        self._part = memoryview(b"")
        while self._asked:
            line.drop(self._asked.popleft().number)

    def read(self, line: Line, at: int, size: int) -> memoryview:
        """Some bytes of that place, at most so many; none at the end of the file."""
        offset = at - self._begin
        if not 0 <= offset < len(self._part):
            self._fetch(line, at, size)
            offset = 0
        found = self._part[offset : offset + size]
        self._next = at + len(found)
        return found

    def _fetch(self, line: Line, at: int, size: int) -> None:
        if not self._asked or self._asked[0].at != at:
            self.forget(line)
            is_sequential = at == self._next
            self._size = max(self._size, _FIRST) if is_sequential else 0
            self._ask(line, at, max(size, self._size))
        asked = self._asked.popleft()
        if self._size:
            self._size = min(2 * self._size, _LARGEST)
            self._ask_ahead(line, asked)
        _, (data, *_) = line.answer(asked.number)
        self._part, self._begin = memoryview(data), at
        if len(self._part) < asked.size:  # the end: it may be elsewhere when we ask again
            part = self._part
            self.forget(line)
            self._part = part

    def _ask_ahead(self, line: Line, asked: _Asked) -> None:
        while len(self._asked) < _WINDOW:
            last = self._asked[-1] if self._asked else asked
            self._ask(line, last.at + last.size, self._size)

    def _ask(self, line: Line, at: int, size: int) -> None:
        size = min(size, _LARGEST)
        self._asked.append(_Asked(at, size, line.ask(self._question(at, size))))
