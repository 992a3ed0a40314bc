"""How a task reaches files at other nodes: the hook which whoever runs the task sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

__all__ = ["Answer", "Line", "connect", "current"]

Buffer: TypeAlias = bytes | bytearray | memoryview
Answer: TypeAlias = tuple[dict[str, Any], Sequence[Buffer]]


class Line(Protocol):
    """What the raw layer needs of the process it is in."""

    here: dict[str, Any]
    """The place of this node."""
    keeps: bool
    """Whether the task is being copied, not moved: the copy may go on when nothing is as it is."""

    divides: bool
    """Whether a part of the task is copied that runs beside it."""

    @property
    def is_busy(self) -> bool:
        """Whether nothing can be asked just now, by this thread."""

    def ask(self, header: Mapping[str, Any], payload: Sequence[Buffer] = ()) -> int:
        """Ask for an operation; the number of the question."""

    def answer(self, number: int) -> Answer:
        """Wait for the answer.  Raises OSError, or the HetmigError that it is."""

    def drop(self, number: int) -> None:
        """Nobody waits for that answer any more."""


_line: Line | None = None


def connect(line: Line | None) -> None:
    """From now on this is how files at other nodes are reached; None: not at all."""
    global _line
    _line = line


def current() -> Line | None:
    """The way there, if this process runs a task."""
    return _line
