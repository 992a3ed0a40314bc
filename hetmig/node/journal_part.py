"""What the parts of a journal have in common: its database, and payloads beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from hetmig.node.protocol import Buffer

__all__ = ["JournalPart", "Kept"]


class Kept(NamedTuple):
    """Something with a header and a payload, as it was kept."""

    key: str
    header: dict[str, Any]
    payload: list[memoryview]


class JournalPart:
    """Some tables of a journal.  All is on the disk with the journal's next `sync`."""

    _database: sqlite3.Connection

    def _gather(self, text: str, *values: Any) -> None:
        """Write this with the next `sync`."""
        raise NotImplementedError

    def _unlink_later(self, found: Sequence[tuple[str | None]]) -> None:
        """Remove these files once it is on the disk that nobody knows of them."""
        raise NotImplementedError

    def _packed(self, payload: Sequence[Buffer]) -> tuple[bytes | None, str | None]:
        """A payload as a value of the database, or the name of the file that it is in."""
        raise NotImplementedError

    def _kept(self, key: str, header: str, data: bytes | None, file: str | None) -> Kept:
        """What was packed.  Raises JournalError if it is damaged."""
        raise NotImplementedError
