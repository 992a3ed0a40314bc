"""What it costs to be migratable while nobody migrates: nothing, so the ratio is to be 1.00."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import FunctionType

import hetmig
from benchmarks import instructions
from benchmarks.measure import Pair, pair_of, paired
from benchmarks.program import timed
from benchmarks.programs import PROGRAMS
from benchmarks.report import Report, Table
from hetmig.interpreter.safepoint import Preemptor
from hetmig.node.embedded import LocalNodes

__all__ = ["run"]

_ROOT = Path(__file__).resolve().parent.parent


def run(scale: float = 1.0) -> Report:
    """Time and count each program, plain and decorated; `scale` makes it shorter or longer."""
    pairs, tasks, counts = _times(scale), _tasks(scale), _instructions(scale)
    times = Table(
        "Idle: a decorated function beside the plain one",
        ("program", "plain ms", "decorated ms", "ratio", "95 % interval"),
        [(name, *_row(pair)) for name, pair in pairs.items()],
        [
            "Same process, timed in turn; ratio of processor times, median of the rounds.",
            "The decorated one runs with hetmig's signal handler in place, as in a runner.",
        ],
    )
    nodes = Table(
        "Idle: a task on a node beside a plain process",
        ("program", "plain ms", "task ms", "ratio", "95 % interval"),
        [(name, *_row(pair)) for name, pair in tasks.items()],
        [
            "Each time a new process on both sides, so addresses differ, and the times with them.",
            "The plain process has a second, idle thread as a runner has: that alone can make it "
            "some percent faster.",
        ],
    )
    counted = Table(
        "Idle: instructions executed per round",
        ("program", "plain", "decorated", "ratio"),
        [(name, plain, decorated, decorated / plain) for name, plain, decorated in counts],
        [
            f"Processes of their own, counted by {instructions.tool()}, start-up subtracted.",
            "Both have imported hetmig: the allocator's path varies with the layout of memory.",
        ],
    )
    figures = {
        "time_ratio": {name: pair.ratio for name, pair in pairs.items()},
        "task_time_ratio": {name: pair.ratio for name, pair in tasks.items()},
    }
    if counts:
        ratios = {name: decorated / plain for name, plain, decorated in counts}
        figures["instruction_ratio"] = ratios
    return Report([times, nodes, counted] if counts else [times, nodes], figures)


def _row(pair: Pair) -> tuple[object, ...]:
    interval = f"{pair.low:.3f} – {pair.high:.3f}"
    return pair.first_s * 1e3, pair.second_s * 1e3, pair.ratio, interval


def _rounds(name: str, scale: float) -> int:
    return max(10, int(PROGRAMS[name][1] * min(scale, 1)))


def _times(scale: float) -> dict[str, Pair]:
    Preemptor(lambda frame: True, print).install()
    found = {}
    for name, (function, _) in PROGRAMS.items():
        plain, decorated = _twin(function), hetmig.migratable(_twin(function))
        count = _rounds(name, scale)
        repeats = max(3, int(60 * scale))
        found[name] = paired(partial(plain, count), partial(decorated, count), repeats)
    return found


def _twin(function: object) -> FunctionType:
    """Return the function with a code object of its own.

    CPython specialises instructions in the code object itself: shared, one would warm up the other.
    """
    assert isinstance(function, FunctionType)
    code, name = function.__code__.replace(), function.__name__
    return FunctionType(code, function.__globals__, name, function.__defaults__)


def _tasks(scale: float) -> dict[str, Pair]:
    """Time each program as a task on a node, and in a process that knows nothing of hetmig."""
    found = {}
    with (
        LocalNodes(1, path=[str(_ROOT)]) as nodes,
        hetmig.connect(nodes[0].endpoint, keys=nodes.keys) as client,
    ):
        for name in PROGRAMS:
            count = _rounds(name, scale)
            times = [
                (_plain_process(name, count), client.submit(timed, name, count).result())
                for _ in range(max(3, int(30 * scale)))
            ]
            found[name] = pair_of(times)
    return found


def _plain_process(name: str, rounds: int) -> float:
    # After a task its node warms up the next runner, on a processor that shares caches with ours.
    time.sleep(0.5)
    command = [sys.executable, "-m", "benchmarks.program", name, "timed", str(rounds)]
    return float(subprocess.run(command, cwd=_ROOT, check=True, capture_output=True).stdout)


def _instructions(scale: float) -> list[tuple[str, float, float]]:
    tool = instructions.tool()
    if tool is None:
        return []
    share = 1.0 if tool == "perf" else 0.1
    found = []
    for name in PROGRAMS:
        count = max(100, int(_rounds(name, scale) * share))
        plain, decorated = (
            instructions.per_round(tool, name, how, count) for how in ("plain", "decorated")
        )
        found.append((name, plain, decorated))
    return found
