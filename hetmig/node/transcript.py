"""What a task has written, as its home keeps it: for its submitter, and for who looks later."""

from __future__ import annotations

import time
from collections import deque

__all__ = ["Transcript"]

KEEP_BYTES = 1 << 20
"""Of output which the submitter has seen, this much is kept for others who look later."""
KEEP_UNSEEN_BYTES = 64 << 20
"""Of output which the submitter has not seen: it may be gone for good, and its task chatty."""
_PIECES, _PIECE_BYTES = 1000, 4 << 20
_FOLLOWED_SECONDS = 12.0
"""A submitter asks for news more often than this."""


class Transcript:
    """Pieces of output by number, as many as are worth keeping."""

    def __init__(self, seen: int) -> None:
        """`seen`: pieces up to this number were seen by the submitter, and are not kept."""
        self.pieces: deque[tuple[int, str, bytes]] = deque()
        """(number, stream, text)"""
        self.dropped = (0, 0)
        """(number of the last piece dropped unseen, bytes dropped unseen)"""
        self.seen_up_to = self.forgotten = seen
        self._nbytes = 0
        self._last_seen = float("-inf")

    @property
    def last(self) -> int:
        """The number of the last piece."""
        return self.pieces[-1][0] if self.pieces else 0

    @property
    def lacks_some(self) -> bool:
        """Whether something is gone which nobody has taken."""
        return self.dropped[0] > 0

    @property
    def is_followed(self) -> bool:
        """Whether a submitter is there, who takes the output."""
        return time.monotonic() - self._last_seen < _FOLLOWED_SECONDS

    def write(self, number: int, stream: str, piece: bytes) -> None:
        """Another piece."""
        self.pieces.append((number, stream, piece))
        self._nbytes += len(piece)
        while self._nbytes > KEEP_UNSEEN_BYTES and len(self.pieces) > 1:
            oldest, _, piece = self.pieces.popleft()
            self._nbytes -= len(piece)
            if oldest > self.seen_up_to:
                self.dropped = oldest, self.dropped[1] + len(piece)

    def after(self, number: int) -> list[tuple[int, str, bytes]]:
        """What comes after that number, as much as fits in one answer."""
        chosen: list[tuple[int, str, bytes]] = []
        size = 0
        last, count = self.dropped
        if number < last:
            text = f"[hetmig: {count} bytes of older output are gone: nobody took them]\n"
            chosen.append((last, "stderr", text.encode()))
        for piece in self.pieces:
            if piece[0] > number and len(chosen) < _PIECES and size < _PIECE_BYTES:
                chosen.append(piece)
                size += len(piece[2])
        return chosen

    def unseen(self, number: int) -> list[tuple[str, bytes]]:
        """Output up to this number which no submitter has confirmed, as (stream, piece)."""
        pieces = [piece for piece in self.pieces if self.seen_up_to < piece[0] <= number]
        return [(stream, data) for _, stream, data in pieces]

    def seen(self, number: int) -> list[int]:
        """A submitter has everything up to that number; the numbers of what is dropped."""
        self.seen_up_to = max(self.seen_up_to, number)
        self._last_seen = time.monotonic()
        gone = []
        while self._nbytes > KEEP_BYTES and self.pieces and self.pieces[0][0] <= number:
            oldest, _, piece = self.pieces.popleft()
            self._nbytes -= len(piece)
            gone.append(oldest)
        if gone:
            self.forgotten = gone[-1]
        return gone
