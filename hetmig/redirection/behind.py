"""Write-behind: what was written is on its way while the program goes on; `settle` waits for it.

What could not be written is kept and written again by the next `settle`, so an error is told as
often as somebody asks, and nothing is lost by it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hetmig.redirection.line import Line
from hetmig.redirection.os_errors import as_os_error

__all__ = ["WriteBehind"]

_BLOCK = 1 << 20
_WINDOW = 4
"""Blocks of which it is not known whether they were written."""

Question = Callable[[int | None], dict[str, object]]


class _Block:
    """A stretch of what was written."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        """None: at the end, wherever that is."""
        self.data = bytearray()
        self.question: dict[str, object] | None = None
        self.number: int | None = None
        """Of the question that is open."""


class WriteBehind:
    """What was written to a file and is not known to be there."""

    def __init__(self, question: Question) -> None:
        """`question(at)` is what to ask for writing there, None being the end."""
        self._question = question
        self._blocks: deque[_Block] = deque()
        self.end = 0
        """Where the last block that was written at the end has ended."""

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def write(self, line: Line, at: int | None, data: memoryview) -> None:
        """Write, some time.  Raises what became of earlier writes."""
        while data:
            block = self._block_for(line, at)
            part = data[: _BLOCK - len(block.data)]
            block.data += part
            data = data[len(part) :]
            at = None if at is None else at + len(part)
            if len(block.data) >= _BLOCK:
                self._send(line, block)

    def settle(self, line: Line) -> None:
        """Wait until all of it is written.  Raises OSError; what is missing is kept."""
        while self._blocks:
            self._send(
                line, self._blocks[-1] if self._blocks[-1].at is not None else self._blocks[0]
            )
            self._confirm(line)

    def _block_for(self, line: Line, at: int | None) -> _Block:
        last = self._blocks[-1] if self._blocks else None
        if last is not None and last.number is None and len(last.data) < _BLOCK:
            end = None if last.at is None else last.at + len(last.data)
            if end == at:
                return last
            self._send(line, last)
        # at the end they must arrive one after the other
        most = _WINDOW if at is not None else 1
        while len(self._blocks) >= most:
            self._send(line, self._blocks[0])
            self._confirm(line)
        self._blocks.append(_Block(at))
        return self._blocks[-1]

    def _send(self, line: Line, block: _Block) -> None:
        if block.number is None:
            block.question = block.question or self._question(block.at)
            block.number = line.ask(block.question, [bytes(block.data)])

    def _confirm(self, line: Line) -> None:
        """Wait for what became of the oldest block."""
        block = self._blocks[0]
        self._send(line, block)
        number, block.number = block.number, None
        assert number is not None
        header, _ = line.answer(number)
        written = header["written"]
        if block.at is None:
            self.end = header["end"]
        else:
            block.at += written
        del block.data[:written]
        block.question = None  # what is left is another question
        if not block.data:
            self._blocks.popleft()
        if header.get("error"):
            raise as_os_error(header["error"])
