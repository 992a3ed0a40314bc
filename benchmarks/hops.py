"""Many hops of one task: does its result stay right, and do the nodes stay small?"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import cloudpickle

import benchmarks.small
import hetmig
from benchmarks.measure import spread
from benchmarks.report import Report, Table
from benchmarks.small import counted_task
from hetmig.node.embedded import LocalNodes

__all__ = ["run"]

_NAMES = ("home", "left", "right")


def run(scale: float = 1.0) -> Report:
    """Move a task to and fro between two nodes with journals; watch memory and descriptors."""
    cloudpickle.register_pickle_by_value(benchmarks.small)
    hops = max(10, int(1000 * scale))
    marks = sorted({hops * part // 10 for part in range(1, 11)})
    looks: dict[int, dict[str, tuple[int, int]]] = {}
    frozen = []
    with (
        tempfile.TemporaryDirectory() as state,
        LocalNodes(3, names=_NAMES, state=state) as nodes,
        hetmig.connect(nodes[0].endpoint, keys=nodes.keys, echo=False) as client,
    ):
        flag = Path(state, "enough")
        task = client.submit(counted_task, str(flag))
        for number in range(1, hops + 1):
            frozen.append(task.migrate(_NAMES[1 + number % 2]).freeze_s)
            if number in marks:
                looks[number] = {node.name: _look(node.pid) for node in nodes.nodes}
        journey = len(task.journey())
        flag.touch()
        rounds, total, processes = task.result(60)
    expected = 0
    for number in range(rounds):
        expected = (expected * 31 + number) % 1_000_003
    same = total == expected and journey == hops and processes == hops + 1
    return _report(hops, looks, same, [1e3 * value for value in frozen])


def _report(
    hops: int, looks: dict[int, dict[str, tuple[int, int]]], same: bool, frozen: list[float]
) -> Report:
    rows = [
        (number, *(value for name in _NAMES for value in (look[name][0] / 1e6, look[name][1])))
        for number, look in looks.items()
    ]
    first, last = min(looks), max(looks)
    growth = {
        name: [100 * (looks[last][name][i] / max(looks[first][name][i], 1) - 1) for i in (0, 1)]
        for name in _NAMES
    }
    s = spread(frozen)
    words = ", ".join(f"{name} {g[0]:+.1f} % / {g[1]:+.1f} %" for name, g in growth.items())
    table = Table(
        "Hops: memory (MB) and descriptors of the nodes",
        ("after", *(f"{name}: {what}" for name in _NAMES for what in ("MB", "fds"))),
        rows,
        [
            f"{hops} hops of one task between left and right, without a pause, with journals; the "
            "home node keeps the journey. Resident memory of the nodes' own processes (Linux).",
            f"From {first} to {last} hops, memory / descriptors: {words}. The aim is 5 % at left "
            "and right.",
            f"Result, journey and number of processes {'as' if same else 'NOT as'} expected. "
            f"Frozen: median {s.median:.1f} ms, p99 {s.p99:.1f} ms, worst {s.greatest:.0f} ms.",
        ],
    )
    figures = {
        "growth_percent": growth,
        "same": {"result": same},
        "freeze_ms": {"median": s.median},
    }
    return Report([table], figures)


def _look(process: int) -> tuple[int, int]:
    """Bytes in memory and open descriptors of a process, as far as the system tells."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{process}/fd"))
    except OSError:
        return 0, 0
