"""What happens on this node, told once: to its log, and to whoever counts it.

An event has a name, the task and epoch it is about, and details which are plain numbers and short
words, never anything of a task's own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["EVENTS", "Watcher", "happened", "unwatch", "watch"]

EVENTS = (
    "submitted", "begun", "arrived", "moved", "stays", "refused", "rejected", "ended", "checkpoint",
    "restarted", "placed", "step", "synced",
)  # fmt: skip
"""All there are."""
_QUIET = frozenset({"step", "synced"})
"""Many of them, of interest to those who look for something."""

_log = logging.getLogger("hetmig.events")
Watcher: TypeAlias = Callable[[str, str, dict[str, Any]], None]
"""Is called with an event, the task (or ""), and the details."""
_watchers: list[Watcher] = []


def happened(event: str, task: str = "", epoch: int | None = None, **details: Any) -> None:
    """Something has happened, perhaps to a task."""
    assert event in EVENTS, event
    for watcher in _watchers:
        watcher(event, task, details)
    level = logging.DEBUG if event in _QUIET else logging.INFO
    if not _log.isEnabledFor(level):
        return
    about = {"event": event, "task": task, "epoch": epoch, "details": details}
    words = [event, *([f"task {task}"] if task else []), *([f"epoch {epoch}"] if epoch else [])]
    words += [f"{name}={value}" for name, value in details.items()]
    _log.log(level, "%s", " ".join(words), extra={"about": about})


def watch(watcher: Watcher) -> None:
    """Call this for every event from now on."""
    _watchers.append(watcher)


def unwatch(watcher: Watcher) -> None:
    """Call it no more."""
    _watchers.remove(watcher)
