"""What a node tells of nodes, tasks and moves, as both clients list it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hetmig.heard import progress_of
from hetmig.journey import Hop

__all__ = ["NodeInfo", "TaskInfo", "last_moves", "node_infos", "task_info"]


@dataclass(frozen=True)
class NodeInfo:
    """A node that the asked one knows."""

    name: str
    endpoint: str
    reachable: bool
    python: dict[str, Any] | None
    """`implementation`, `version`, `machine`, `system`, `bits`, `byteorder`, if reachable."""
    tasks: int | None
    """Tasks it runs now."""
    draining: bool | None
    runners: int | None = None
    """Its processes for tasks, the warm ones included."""
    memory: int | None = None
    """Bytes of memory it and they use, where the system says that (Linux)."""
    latency_s: float | None = None
    """Seconds until it answered the asked node; 0 for that itself."""
    labels: dict[str, str] | None = None
    resources: dict[str, float] | None = None
    """How much of each it has."""
    used: dict[str, float] | None = None
    """How much of that tasks have there."""
    data: list[str] | None = None
    slots: int | None = None
    """Tasks that run there at full speed."""
    policy: str | None = None
    """By which it moves tasks."""


@dataclass(frozen=True)
class TaskInfo:
    """A line of `hetmig ps`."""

    id: str
    name: str
    what: str
    """"task", "actor" or "object"."""
    state: str
    """"running", "unreachable" (its node does not answer at the moment), "unresponsive" (its
    process does not: stopped, or in C code that lets nothing else run), "done", "failed",
    "cancelled" or "lost"; of an object "kept" or "deleted"; "replica" if the asked node has nothing
    but a warm copy."""
    node: str
    """Name of the node it is, or was last, on."""
    endpoint: str
    home: str
    submitted: float | None
    """Seconds since the epoch; None if the asked node is not the task's home."""
    progress: tuple[float, float | None, str] | None
    hops: int
    freeze_s: float | None = None
    """Seconds for which it stood still at its last move."""
    bytes: int | None = None
    """Size of the parcel of that."""
    replica: str | None = None
    """Name of the node with its warm copy."""
    replicated: float | None = None
    """When that was made, in seconds since the epoch."""


def node_infos(told: Any) -> list[NodeInfo]:
    """What a node tells of itself and of those it knows."""
    names = NodeInfo.__dataclass_fields__
    return [NodeInfo(**{name: node.get(name) for name in names}) for node in told]


def task_info(summary: dict[str, Any]) -> TaskInfo:
    """What a node says of a task, as a line of `hetmig ps`."""
    names = TaskInfo.__dataclass_fields__.keys() - {"hops", "freeze_s", "bytes"}
    items: dict[str, Any] = {name: summary.get(name) for name in names}
    last = summary["hops"][-1] if summary["hops"] else {}
    items.update(progress=progress_of(summary), hops=summary["moves"])
    return TaskInfo(**items, freeze_s=last.get("freeze_s"), bytes=last.get("bytes"))


def last_moves(summaries: Sequence[Mapping[str, Any]], last: int | None) -> list[Hop]:
    """The moves, or the last ones, oldest first, of the tasks with these summaries."""
    hops = [Hop.from_json(hop) for summary in summaries for hop in summary["hops"]]
    hops.sort(key=lambda hop: hop.start_time)
    return hops if last is None else hops[max(len(hops) - last, 0) :]
