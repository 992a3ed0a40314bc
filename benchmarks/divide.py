"""A running loop that is divided among idle nodes: its time, beside the undivided and the ideal."""

from __future__ import annotations

import os

import cloudpickle

import benchmarks.divided_work
import hetmig
from benchmarks.divided_work import loop
from benchmarks.report import Report, Table
from hetmig.client import Nodes
from hetmig.node.embedded import LocalNodes

__all__ = ["run"]

_ITEMS = 100
_AFTER = 10
"""At this iteration the loop is divided."""
_SPIN, _WAIT = 1_000_000, 100_000
"""Steps of an iteration that computes; microseconds of one that waits."""


def run(scale: float = 1.0) -> Report:
    """Divide loops that compute between two nodes, and loops that wait among two and four."""
    cloudpickle.register_pickle_by_value(benchmarks.divided_work)
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float] = {}
    with LocalNodes(4) as local, hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        for kind, effort, parts in (("spin", _SPIN, 2), ("wait", _WAIT, 2), ("wait", _WAIT, 4)):
            amount = int(effort * scale)
            alone = _measured(nodes, kind, amount, 1)
            divided = _measured(nodes, kind, amount, parts)
            done = _AFTER + 1  # divided between two iterations
            ideal = alone * (done + (_ITEMS - done) / parts) / _ITEMS
            rows.append((f"{kind}, {parts} nodes", alone, divided, ideal, ideal / divided))
            figures[f"{kind}_{parts}_of_ideal"] = ideal / divided
    table = Table(
        "A running loop is divided among idle nodes",
        ("work", "undivided s", "divided s", "ideal s", "of the ideal"),
        rows,
        [
            f"{_ITEMS} iterations, divided at number {_AFTER}; all nodes on this machine, with "
            f"{os.cpu_count()} processors. `spin` computes, `wait` only sleeps.",
            "Ideal: what is left then takes its share of the undivided time, and nothing else.",
        ],
    )
    return Report([table], figures)


def _measured(nodes: Nodes, kind: str, effort: int, parts: int) -> float:
    seconds, total, places = nodes.submit(loop, kind, _ITEMS, effort, _AFTER, parts).result()
    expected = nodes.submit(loop, kind, 1, effort, -1, 1).result()[1] * _ITEMS
    if total != expected or len(places) != parts:
        raise RuntimeError(f"{total} instead of {expected}, at {places} instead of {parts} nodes")
    return float(seconds)
