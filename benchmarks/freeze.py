"""How long a small task stands still when it moves, what travels, and what that is made of."""

from __future__ import annotations

import secrets
import sys
import time
from itertools import pairwise
from types import FrameType

import cloudpickle

import benchmarks.small
import hetmig
from benchmarks.baseline import raw_pickle, raw_round_trips
from benchmarks.measure import Spread, spread
from benchmarks.report import Report, Table
from benchmarks.small import small_task
from hetmig.interpreter.capture import capture
from hetmig.interpreter.reentry import prepare
from hetmig.interpreter.safepoint import Preemptor
from hetmig.journey import Hop
from hetmig.node.embedded import LocalNodes
from hetmig.state import image, parcel

__all__ = ["run"]

_STEPS = ("capture", "pickle", "seal", "open and verify", "unpickle", "build the re-entry")


class _Done(BaseException):
    """Ends the task whose parts were measured."""


def run(scale: float = 1.0) -> Report:
    """Move a task to and fro between two nodes, and measure its parts and raw tools beside it."""
    # by value, as the functions of a script are: the nodes can not import benchmarks
    cloudpickle.register_pickle_by_value(benchmarks.small)
    steps, state = _parts(max(10, int(500 * scale)))
    hops = _hops(max(4, int(200 * scale)))
    size = hops[-1].bytes
    pickles, pickled_size = raw_pickle(state, max(10, int(2000 * scale)))
    count = max(10, int(2000 * scale))
    times = {
        "a move with hetmig": [hop.freeze_s for hop in hops],
        "before it, still running": [hop.wait_s for hop in hops],
        "raw pyzmq with CURVE": raw_round_trips(size, count, curve=True),
        "raw pyzmq": raw_round_trips(size, count, curve=False),
        "raw pickle": pickles,
    }
    sizes = (size, 0, size, size, pickled_size)
    spreads = {name: spread(values).scaled(1e3) for name, values in times.items()}
    figures = {
        "median_ms": {name: s.median for name, s in spreads.items()},
        "bytes": {"move": size, "raw pickle of the variables": pickled_size},
        "steps_us": {name: s.median for name, s in steps.items()},
        "times_ms": {name: [1e3 * value for value in values] for name, values in times.items()},
    }
    return Report([_times(spreads, sizes), _table_of_steps(steps)], figures)


def _times(spreads: dict[str, Spread], sizes: tuple[int, ...]) -> Table:
    return Table(
        "Freeze: how long a small task stands still, ms",
        ("what", "bytes", "times", "median", "p90", "p99", "worst"),
        [
            (name, size, s.count, s.median, s.p90, s.p99, s.greatest)
            for (name, s), size in zip(spreads.items(), sizes, strict=True)
        ],
        [
            "A move: from the task's last instruction on one node until the other owns and runs "
            "it, by the source's clock; both nodes on this machine, over loopback, with a warm "
            "runner. The aim is 20 ms at the median. Before it: request to safe point.",
            "Raw pyzmq: the same number of bytes to another process and back. "
            "Raw pickle: the task's variables, there and back, in one process.",
        ],
    )


def _table_of_steps(steps: dict[str, Spread]) -> Table:
    return Table(
        "Freeze: the work on the task's state, µs",
        ("step", "median", "p90", "p99"),
        [(name, step.median, step.p90, step.p99) for name, step in steps.items()],
        ["In one process. The rest of a move is messages, and waiting for one's turn."],
    )


def _hops(count: int) -> list[Hop]:
    """Move the task between two nodes, again and again; return the record of each move."""
    with LocalNodes(2) as nodes, hetmig.connect(nodes[0].endpoint, keys=nodes.keys) as client:
        task = client.submit(small_task, -1)
        hops = [task.migrate(nodes[1 - number % 2].name) for number in range(count + 2)]
        task.cancel()
    return hops[2:]  # each node's first arrival finds cold caches


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
