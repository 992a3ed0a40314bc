"""What a node gives at most: to one message, to one key, to one task.  Each cap has a setting."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hetmig.errors import HetmigError, QuotaExceeded
from hetmig.node.caller import owner_of
from hetmig.node.protocol import LIMITS, Limits

__all__ = ["SETTINGS", "Caps", "exceeded"]

SETTINGS = {
    "frames": "--max-frames",
    "header": "--max-header",
    "frame": "--max-frame",
    "total": "--max-total",
    "depth": "--max-depth",
    "tasks_per_key": "--max-tasks-per-key",
    "runners": "--max-runners",
    "memory_per_task": "--memory-per-task",
    "cpu_per_task": "--cpu-per-task",
}
"""The option of `hetmig node` for each cap."""

_MOST = 1 << 62


def _memory_of_this_machine() -> int:
    """Bytes; 0 if the system does not say."""
    try:
        return max(0, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 0


@dataclass(frozen=True)
class Caps:
    """The first five are of messages, and can be lowered only: both sides know the protocol's own.

    Of those per task, 0 is no cap.
    """

    frames: int = LIMITS.frames
    header: int = LIMITS.header
    frame: int = LIMITS.frame
    total: int = LIMITS.total
    depth: int = LIMITS.depth
    tasks_per_key: int = 1000
    """Tasks and actors of one owner that live at once, of those whose home this node is."""
    runners: int = 500
    """Processes with tasks at once."""
    memory_per_task: int = _memory_of_this_machine()
    """Bytes of address space beyond those of an empty runner, where the system can limit it."""
    cpu_per_task: int = 0
    """Seconds of processor time on this node, where the system can limit it."""

    def __post_init__(self) -> None:
        for name in SETTINGS:
            value, most = getattr(self, name), getattr(LIMITS, name, _MOST)
            if not 0 <= value <= most:
                raise HetmigError(f"{SETTINGS[name]} {value}: at most {most} can be set")

    @functools.cached_property
    def message(self) -> Limits:
        """Those of one message."""
        return Limits(self.frames, self.header, self.frame, self.total, self.depth)

    @property
    def of_runner(self) -> dict[str, int]:
        """Those that a runner applies to itself."""
        return {"memory": self.memory_per_task, "cpu": self.cpu_per_task}

    def require_task(self, owner: str, living: Iterable[Mapping[str, Any]]) -> None:
        """Raise QuotaExceeded if `owner` has too many of the tasks that live."""
        count = sum(owner_of(about) == owner for about in living)
        if count >= self.tasks_per_key:
            raise exceeded("tasks_per_key", count + 1, self.tasks_per_key, "tasks of one key")

    def require_runner(self, busy: int) -> None:
        """Raise QuotaExceeded if another busy runner is one too many."""
        if busy >= self.runners:
            raise exceeded("runners", busy + 1, self.runners, "running tasks")


def exceeded(cap: str, value: float, limit: float, what: str) -> QuotaExceeded:
    """The error for a cap that has been reached."""
    setting = SETTINGS[cap]
    return QuotaExceeded(
        f"this would be {value:g} {what}, and the node's {setting} allows {limit:g}: wait until "
        f"less is in use, choose another node, or raise it there",
        cap=limit,
        value=value,
        setting=setting,
    )
