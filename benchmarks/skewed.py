"""A skewed load on four real nodes: the time until all is done, with policies and without.

This machine may have fewer processors than there are nodes.  So each node has a pretended one: the
work of a task is to sleep, the longer the more tasks are on the node where it is.
"""

from __future__ import annotations

import random
import tempfile
import time
from typing import Any

import cloudpickle

import benchmarks.virtual
import hetmig
from benchmarks.report import Table
from benchmarks.virtual import traveller, worker
from hetmig.node.embedded import LocalNodes
from hetmig.simulation import Pareto

__all__ = ["run"]

NODES, TASKS, SEED = 4, 16, 1
WORK = 20.0
"""Seconds of work of all tasks together."""
POLICIES = (
    "none",
    "place:every=0.2",
    "threshold:every=0.2,cool_down=0.5",
    "steal:every=0.2,cool_down=0.5,rate=20",
    "age:every=0.2,cool_down=0.5",
)


def run(scale: float = 1.0) -> tuple[Table, dict[str, Any]]:
    """Submit all tasks to one of the nodes, under each policy in turn."""
    cloudpickle.register_pickle_by_value(benchmarks.virtual)
    work = max(1.0, WORK * min(scale, 1))
    draw = random.Random(SEED)
    policies, count = (POLICIES, TASKS) if scale >= 0.1 else ((POLICIES[0], POLICIES[-1]), 4)
    lifetimes = [Pareto(1.0, 0.2, 8.0).draw(draw.random()) for _ in range(count)]
    lifetimes = [lifetime * work / sum(lifetimes) for lifetime in lifetimes]
    rows, figures = [], {}
    for policy in policies:
        seconds, moves, frozen = _makespan(policy, lifetimes)
        figures[policy] = seconds
        rows.append((f"`{policy}`", seconds, figures["none"] / seconds, moves, frozen * 1e3))
    table = Table(
        "Placement, for real: all tasks are submitted to one of four nodes",
        ("policy", "makespan s", "times as fast", "moves", "frozen ms, all moves together"),
        rows,
        [
            f"{count} tasks of {work:.1f} s of work together, the longest "
            f"{max(lifetimes):.1f} s: four nodes can't take less than "
            f"{max(max(lifetimes), work / NODES):.1f} s. Bounded Pareto, exponent 1, seed {SEED}.",
            "The nodes are on this machine; each has one pretended processor, shared evenly: the "
            "work of a task is to sleep, n times as long where n tasks are. So the figures tell of "
            "the policies, the moves and their overhead, not of the processors.",
        ],
    )
    return table, {"makespan_s": figures}


def _makespan(policy: str, lifetimes: list[float]) -> tuple[float, int, float]:
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalNodes(NODES, policy=policy, each=[{"slots": 1}] * NODES) as local,
        hetmig.connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        _acquainted(nodes)
        began = time.monotonic()
        tasks = [
            nodes.submit(worker, directory, str(number), lifetime)
            for number, lifetime in enumerate(lifetimes)
        ]
        worked = sum(task.result() for task in tasks)
        seconds = time.monotonic() - began
        hops = [hop for task in tasks for hop in task.journey()]
    if worked < 0.99 * sum(lifetimes):
        raise RuntimeError(f"{worked:.2f} s were worked, of {sum(lifetimes):.2f}")
    return seconds, len(hops), sum(hop.freeze_s for hop in hops)


def _acquainted(nodes: hetmig.Nodes) -> None:
    """A task has gone to every node: all have a connection, and a runner to spare."""
    nodes.submit(traveller, [node.name for node in nodes.nodes()]).result()
