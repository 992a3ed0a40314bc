"""The records of a home node, of which few are of living tasks: those are found without the rest.

A thousand ended ones are kept; to look at each whenever a task is submitted would take long.
"""

from __future__ import annotations

from hetmig.node.record import Record

__all__ = ["Records"]


class Records(dict[str, Record]):
    """By the ids of their tasks."""

    def __init__(self) -> None:
        super().__init__()
        self._lived: dict[str, None] = {}
        """Those that had not ended when they were last looked at."""
        self._ended: dict[str, int] = {}
        """The bytes of the results of the others, those that ended first in front."""
        self._bytes = 0

    def __setitem__(self, task: str, record: Record) -> None:
        super().__setitem__(task, record)
        self._bytes -= self._ended.pop(task, 0)
        self._lived[task] = None

    def living(self) -> list[Record]:
        """Those that have not ended."""
        found = []
        for task in list(self._lived):
            record = self.get(task)
            if record is not None and record.outcome is None:
                found.append(record)
                continue
            del self._lived[task]
            if record is not None and record.outcome is not None:
                self._ended[task] = sum(map(len, record.outcome.frames))
                self._bytes += self._ended[task]
        return found

    def excess(self, most: int, most_bytes: int) -> list[str]:
        """The ended ones beyond that number, or with more results than that; never the newest."""
        self.living()
        if len(self._ended) <= most and self._bytes <= most_bytes:
            return []
        kept = {task: size for task, size in self._ended.items() if task in self}
        self._ended, self._bytes = kept, sum(kept.values())
        count, size = len(kept), self._bytes
        found = []
        for task in list(kept)[:-1]:
            if count <= most and size <= most_bytes:
                break
            if not self[task].is_closed:  # else it is about to be another's
                found.append(task)
                count, size = count - 1, size - kept[task]
        return found
