"""What happens on this node, told once: to its log, and to whoever counts it.

An event has a name, the task and epoch it is about, and details which are plain numbers and short
words, never anything of a task's own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

__all__ = ["EVENTS", "happened", "unwatch", "watch"]

EVENTS = (
    "submitted", "arrived", "moved", "stays", "refused", "rejected", "ended", "placed", "step",
    "synced",
)  # fmt: skip
"""All there are."""
_QUIET = frozenset({"step", "synced"})
"""Many of them, of interest to those who look for something."""

_log = logging.getLogger("hetmig.events")
_watchers: list[Callable[[str, dict[str, Any]], None]] = []


def happened(event: str, task: str = "", epoch: int | None = None, **details: Any) -> None:
    """Something has happened, perhaps to a task."""
    assert event in EVENTS, event
    for watcher in _watchers:
        watcher(event, details)
    level = logging.DEBUG if event in _QUIET else logging.INFO
    if not _log.isEnabledFor(level):
        return
    about = {"event": event, "task": task, "epoch": epoch, "details": details}
    words = [event, *([f"task {task}"] if task else []), *([f"epoch {epoch}"] if epoch else [])]
    words += [f"{name}={value}" for name, value in details.items()]
    _log.log(level, "%s", " ".join(words), extra={"about": about})


def watch(watcher: Callable[[str, dict[str, Any]], None]) -> None:
    """Call this with the name and details of every event from now on."""
    _watchers.append(watcher)


def unwatch(watcher: Callable[[str, dict[str, Any]], None]) -> None:
    """Call it no more."""
    _watchers.remove(watcher)
