"""How long it takes to empty a node: all of its tasks move to one peer."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cloudpickle

import benchmarks.small
import hetmig
from benchmarks.measure import spread
from benchmarks.report import Report, Table
from benchmarks.small import patient_task
from hetmig.client import Nodes, Task
from hetmig.node.embedded import LocalNodes

__all__ = ["TASKS", "run"]

TASKS = 20
_DEADLINE = 3600.0


def run(scale: float = 1.0, tasks: int | None = None) -> Report:
    """Fill a node with small tasks and drain it."""
    cloudpickle.register_pickle_by_value(benchmarks.small)
    count = max(2, int(TASKS * scale)) if tasks is None else tasks
    with LocalNodes(2) as local, hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        running = [_started(nodes) for _ in range(count)]
        began = time.monotonic()
        report = nodes.drain(timeout=_DEADLINE)
        total = time.monotonic() - began
        with hetmig.connect(local[1], keys=local.keys, echo=False) as peer:  # their home by now
            known = peer.tasks()
        alive = ("running", "unresponsive")  # 200 processes that begin are slow to answer
        there = {task.id for task in known if task.node == "b" and task.state in alive}
        _end(running)
    arrived = len(there & {task.id for task in running})
    if arrived != count:
        raise RuntimeError(f"{count} tasks were drained, and {arrived} are there: {report}")
    frozen = spread([entry["freeze_s"] for entry in report]).scaled(1e3)
    table = Table(
        "Drain: all tasks of a node move to one peer",
        ("tasks", "arrived", "total s", "tasks/s", "freeze, median ms", "p99 ms", "worst ms"),
        [
            (
                str(count),
                arrived,
                total,
                count / total,
                frozen.median,
                frozen.p99,
                frozen.greatest,
            )
        ],
        [
            "Both nodes on this machine, eight tasks in motion at a time; the peer starts a "
            "process for each, which is most of the time. The tasks work twenty times a second "
            "and sleep in between, so that they hardly compete for the processors.",
            "Freeze: from the task's last instruction until the peer owns and runs it.",
        ],
    )
    figures = {"tasks": count, "total_s": total, "median_ms": frozen.median, "p99_ms": frozen.p99}
    return Report([table], figures)


def _started(nodes: Nodes) -> Task:
    """A task that loops until it is cancelled, and has begun to."""
    task = nodes.submit(patient_task, -1)
    while task.progress is None:
        if task.done():
            task.result()
        time.sleep(0.01)
    return task


def _end(tasks: Sequence[Task]) -> None:
    for task in tasks:
        task.cancel()
