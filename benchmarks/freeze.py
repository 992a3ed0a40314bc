"""How long a small task stands still when it moves, what travels, and what that is made of."""

from __future__ import annotations

import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from types import FrameType

import cloudpickle

import benchmarks.small
import hetmig
from benchmarks.baseline import raw_pickle, raw_round_trips
from benchmarks.measure import Spread, spread
from benchmarks.report import Report, Table
from benchmarks.small import clocked_task, small_task
from hetmig.interpreter.capture import capture
from hetmig.interpreter.reentry import prepare
from hetmig.interpreter.safepoint import Preemptor
from hetmig.journey import Hop, Step
from hetmig.node.embedded import LocalNodes
from hetmig.state import image, parcel

__all__ = ["run"]

_STEPS = ("capture", "pickle", "seal", "open and verify", "unpickle", "build the re-entry")


_PAUSE = 0.5
"""Seconds after which a node has made another runner warm."""


_EACH_SIDE = (
    "Each side times its own work; link: the rest of the source's waits, so the way there and back "
    "and waiting for the processor. While the destination rebuilds the task, the source writes its "
    "record and sends COMMIT, which counts in neither. During the last step the task runs already. "
    "`hetmig trace` shows the same of any task."
)
_AFTER_THAT = "Without a journal the destination has rebuilt the task before the source commits it."


class _Done(BaseException):
    """Ends the task whose parts were measured."""


def run(scale: float = 1.0) -> Report:
    """Move a task to and fro between two nodes, and measure its parts and raw tools beside it."""
    # by value, as the functions of a script are: the nodes can not import benchmarks
    cloudpickle.register_pickle_by_value(benchmarks.small)
    steps, state = _parts(max(10, int(500 * scale)))
    count = max(4, int(100 * scale))
    hops, stood, _ = _hops(count, None)
    with tempfile.TemporaryDirectory() as journals:
        kept_hops, kept_stood, whole = _hops(count, journals)
    size = hops[-1].bytes
    pickles, pickled_size = raw_pickle(state, max(10, int(2000 * scale)))
    count = max(10, int(2000 * scale))
    times = {
        "a move, with journals": kept_stood,
        "a move, without": stood,
        "its record, with journals": [hop.freeze_s for hop in kept_hops],
        "its record, without": [hop.freeze_s for hop in hops],
        "before it, still running": [hop.wait_s for hop in hops],
        "request to answer, with journals": whole,
        "raw pyzmq with CURVE": raw_round_trips(size, count, curve=True),
        "raw pyzmq": raw_round_trips(size, count, curve=False),
        "raw pickle": pickles,
    }
    sizes = (size, size, size, size, 0, size, size, size, pickled_size)
    spreads = {name: spread(values).scaled(1e3) for name, values in times.items()}
    figures = {
        "median_ms": {name: s.median for name, s in spreads.items()},
        "bytes": {"move": size, "raw pickle of the variables": pickled_size},
        "steps_us": {name: s.median for name, s in steps.items()},
        "steps_of_a_move_ms": {
            "with journals": _medians(kept_hops),
            "without": _medians(hops),
        },
        "times_ms": {name: [1e3 * value for value in values] for name, values in times.items()},
    }
    tables = [
        _times(spreads, sizes),
        _where(kept_hops, "with journals", _EACH_SIDE),
        _where(hops, "without", _AFTER_THAT),
        _table_of_steps(steps),
    ]
    return Report(tables, figures)


def _times(spreads: dict[str, Spread], sizes: tuple[int, ...]) -> Table:
    return Table(
        "Freeze: how long a small task stands still, ms",
        ("what", "bytes", "times", "median", "p90", "p99", "worst"),
        [
            (name, size, s.count, s.median, s.p90, s.p99, s.greatest)
            for (name, s), size in zip(spreads.items(), sizes, strict=True)
        ],
        [
            "A move: from the task's last instruction on one node to its first on the other, by "
            "its own looks at the clock, which two processes of one Linux machine share; over "
            "loopback, with a warm runner, half a second between two moves. The aim is 5 ms at "
            "the median and 20 ms at p99. With journals: the source's record is on the disk before "
            "the freeze; the destination's are written beside other work.",
            "Its record: `Hop.freeze_s`, by the source's clock alone until OWNED is there. "
            "Before it: request to safe point. Request to answer: all that `task.migrate` takes; "
            "the task's code goes ahead of it in that time, and it still runs for most of it.",
            "Raw pyzmq: the same number of bytes to another process and back. "
            "Raw pickle: the task's variables, there and back, in one process.",
        ],
    )


def _where(hops: list[Hop], how: str, note: str) -> Table:
    usual = _usual(hops)
    spreads = [
        spread([step.seconds for step in column]).scaled(1e3) for column in zip(*usual, strict=True)
    ]
    return Table(
        f"Freeze: where the time goes, {how}, ms",
        ("side: step", "median", "p90", "p99"),
        [
            (f"{column[0].side}: {column[0].step}", s.median, s.p90, s.p99)
            for column, s in zip(zip(*usual, strict=True), spreads, strict=True)
        ],
        [f"{note} Of {len(usual)} of the {len(hops)} moves, which went through the same steps."],
    )


def _usual(hops: list[Hop]) -> list[Sequence[Step]]:
    """The steps of those moves that went the way which most did."""
    ways = Counter(_way(hop) for hop in hops if hop.steps)
    way = ways.most_common(1)[0][0]
    return [hop.steps for hop in hops if _way(hop) == way]


def _way(hop: Hop) -> tuple[tuple[str, str], ...]:
    return tuple((step.side, step.step) for step in hop.steps)


def _medians(hops: list[Hop]) -> list[tuple[str, str, float]]:
    return [
        (column[0].side, column[0].step, 1e3 * statistics.median(s.seconds for s in column))
        for column in zip(*_usual(hops), strict=True)
    ]


def _table_of_steps(steps: dict[str, Spread]) -> Table:
    return Table(
        "Freeze: the work on the task's state, µs",
        ("step", "median", "p90", "p99"),
        [(name, step.median, step.p90, step.p99) for name, step in steps.items()],
        ["In one process. The rest of a move is messages, and waiting for one's turn."],
    )


def _hops(count: int, state: str | None) -> tuple[list[Hop], list[float], list[float]]:
    """Move the task between two nodes, again and again.

    The record of each move, for how long the task says that it stood still, and how long the whole
    took.
    """
    with (
        LocalNodes(2, state=state) as nodes,
        hetmig.connect(nodes[0].endpoint, keys=nodes.keys) as client,
    ):
        task = client.submit(clocked_task, count + 2)
        hops, whole = [], []
        for number in range(count + 2):
            asked = time.monotonic()
            hops.append(task.migrate(nodes[1 - number % 2].name))
            whole.append(time.monotonic() - asked)
            time.sleep(_PAUSE)
        stood = task.result(60)
    return hops[2:], stood[2:], whole[2:]  # each node's first arrival finds cold caches


def _parts(count: int) -> tuple[dict[str, Spread], dict[str, object]]:
    """Time the steps of a move on a live frame; return them and the frame's variables."""
    key = secrets.token_bytes(32)
    times: dict[str, list[float]] = {name: [] for name in _STEPS}
    state: dict[str, object] = {}
    root = sys._getframe()

    def visit(frame: FrameType) -> bool:
        state.update(frame.f_locals)
        for _ in range(count):
            for name, seconds in zip(_STEPS, _steps(frame, root, key), strict=True):
                times[name].append(seconds)
        raise _Done

    preemptor = Preemptor(visit, lambda error: print(error, file=sys.stderr))
    preemptor.install()
    preemptor.begin(60.0)
    try:
        small_task(-1)
    except _Done:
        preemptor.cancel()
    return {name: spread(values).scaled(1e6) for name, values in times.items()}, state


def _steps(frame: FrameType, root: FrameType, key: bytes) -> list[float]:
    clock = time.perf_counter
    moments = [clock()]
    stack = capture(frame, root=root)
    moments.append(clock())
    frozen = image.freeze(stack)
    moments.append(clock())
    wire = parcel.seal(frozen.manifest(), frozen.frames, key)
    moments.append(clock())
    opened = parcel.open_sealed(wire, key)
    moments.append(clock())
    thawed, _ = image.thaw(image.Image.of_parcel(opened))
    moments.append(clock())
    prepare(thawed)
    moments.append(clock())
    return [after - before for before, after in pairwise(moments)]
