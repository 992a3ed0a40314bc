"""The moves of a task, as its home node tells of them: page by page, and each only once."""

from __future__ import annotations

from typing import Any

__all__ = ["Hops"]


class Hops:
    """To be told until it `is_complete`; whoever asks says the `mark`, up to which it knows all."""

    def __init__(self) -> None:
        self.mark: list[Any] = ["", 0]
        self.is_complete = False
        self._hops: dict[int, dict[str, Any]] = {}

    def add(self, told: dict[str, Any]) -> None:
        """The answer to a request with that mark."""
        self._hops.update((hop["epoch"], hop) for hop in told["task"]["hops"])
        self.mark = told.get("mark", self.mark)
        self.is_complete = told.get("is_last", True)

    def all(self) -> list[dict[str, Any]]:
        """Those known by now, in order."""
        return [self._hops[epoch] for epoch in sorted(self._hops)]
