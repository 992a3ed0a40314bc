"""How long a task stands still while a copy of it is kept, and how long until it is on the disk."""

from __future__ import annotations

import os
import pickle
import tempfile
import threading
import time
from pathlib import Path

import cloudpickle

import benchmarks.heavy
import hetmig
from benchmarks.heavy import heavy_task, state_of
from benchmarks.measure import Spread, spread
from benchmarks.report import Report, Table
from hetmig.node.embedded import LocalNodes

__all__ = ["run"]


def run(scale: float = 1.0) -> Report:
    """Checkpoint tasks of several sizes, and write the same state by hand in between."""
    # by value, as the functions of a script are: the node can not import benchmarks
    cloudpickle.register_pickle_by_value(benchmarks.heavy)
    sizes = (1, 16, 64) if scale >= 0.1 else (1, 4)
    count = max(3, int(20 * scale))
    rows: list[tuple[object, ...]] = []
    figures: dict[str, dict[str, float]] = {"stopped_ms": {}, "total_ms": {}, "plain_ms": {}}
    with LocalNodes(1) as local, hetmig.connect(local[0], keys=local.keys, echo=False) as nodes:
        for size in sizes:
            stopped, total, plain = _measure(nodes, size, count)
            times = stopped.median, stopped.greatest, total.median, plain.median
            rows.append((f"{size} MiB", count, *times, stopped.median / plain.median))
            for name, found in zip(figures, (stopped, total, plain), strict=True):
                figures[name][str(size)] = found.median
    table = Table(
        "Checkpoint: how long a task stands still, ms",
        ("state", "times", "stopped", "worst", "until on disk", "pickle+write+fsync", "ratio"),
        rows,
        [
            "Stopped: by the task's own clock. Until on disk: from the request, in the background. "
            "For pickle, write and fsync of the same state, in one process and in turn with it, a "
            "program would stand still all the time. Ratio: stopped by that.",
        ],
    )
    return Report([table], figures)


def _measure(nodes: hetmig.Nodes, size: int, count: int) -> tuple[Spread, Spread, Spread]:
    """(stopped, total, plain), in ms."""
    state, totals, plain = state_of(size), [], []
    with tempfile.TemporaryDirectory() as directory:
        gate, file = Path(directory, "gate"), Path(directory, "plain")
        task = nodes.submit(heavy_task, size, str(gate))
        ready = threading.Event()
        task.add_output_callback(lambda stream, text: ready.set())
        ready.wait()
        task.checkpoint(directory)  # once unmeasured: caches, the source of the code
        for _ in range(count):
            totals.append(task.checkpoint(directory).total_s)
            plain.append(_by_hand(state, file))
        gate.touch()
        gaps = sorted(task.result())[-count:]
    measured = gaps, totals, plain
    first, second, third = (spread(values).scaled(1e3) for values in measured)
    return first, second, third


def _by_hand(state: object, file: Path) -> float:
    """Seconds for writing the state to a file that survives a crash of the machine."""
    start = time.perf_counter()
    with open(file, "wb") as stream:
        pickle.dump(state, stream, protocol=5)
        stream.flush()
        os.fsync(stream.fileno())
    return time.perf_counter() - start
