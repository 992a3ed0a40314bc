"""How fast a program goes on after it was re-entered, beside the same one undisturbed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType

from benchmarks.measure import Pair, Spread, paired, spread
from benchmarks.programs import PROGRAMS
from benchmarks.report import Report, Table
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.capture import capture
from hetmig.interpreter.reentry import prepare

__all__ = ["captured", "run"]


class _Abandon(BaseException):
    """Ends the original after its capture."""


def captured(program: Callable[..., object], *arguments: object) -> list[Activation]:
    """Run `program` until it calls its last argument; return its frames as they stood then."""
    stack: list[Activation] = []

    def pause() -> None:
        frame = sys._getframe()
        assert isinstance(frame.f_back, FrameType)
        stack.extend(capture(frame.f_back, root=root, callee=frame))
        raise _Abandon

    root = sys._getframe()
    try:
        program(*arguments, pause)
    except _Abandon:
        return stack
    raise AssertionError("the program did not pause")


def run(scale: float = 1.0) -> Report:
    """Compare speeds, and time capture and re-entry themselves."""
    pairs = {
        name: _compare(program, max(2, int(rounds * min(scale, 1))), max(3, int(60 * scale)))
        for name, (program, rounds) in PROGRAMS.items()
    }
    speeds = Table(
        "Re-entry: the speed of a re-entered program by the original's",
        ("program", "undisturbed ms", "re-entered ms", "speed", "95 % interval"),
        [(name, *_row(pair)) for name, pair in pairs.items()],
        ["Stopped in its first round, so the same work is left. 1 is the original's speed."],
    )
    steps = _steps(max(20, int(2000 * scale)))
    table = Table(
        "Re-entry: the steps for one frame, µs",
        ("step", "median", "p90", "p99"),
        [(name, step.median, step.p90, step.p99) for name, step in steps.items()],
        ["In one process, code location already known; without turning anything into bytes."],
    )
    figures = {
        "speed": {name: 1 / pair.ratio for name, pair in pairs.items()},
        "steps_us": {name: step.median for name, step in steps.items()},
    }
    return Report([speeds, table], figures)


def _compare(program: Callable[..., int], count: int, repeats: int) -> Pair:
    expected = program(count)

    def undisturbed() -> None:
        assert program(count) == expected

    def carried_on() -> None:
        assert prepare(captured(program, count))(None) == expected

    return paired(undisturbed, carried_on, repeats)


def _row(pair: Pair) -> tuple[object, ...]:
    interval = f"{1 / pair.high:.3f} – {1 / pair.low:.3f}"
    return pair.first_s * 1e3, pair.second_s * 1e3, 1 / pair.ratio, interval


def _steps(count: int) -> dict[str, Spread]:
    program, _ = PROGRAMS["tight loop"]
    captures, entries = [], []
    for _ in range(count):
        start = time.perf_counter()
        stack = captured(program, 1)
        between = time.perf_counter()
        prepare(stack)
        entries.append(time.perf_counter() - between)
        captures.append(between - start)
    return {"capture": spread(captures).scaled(1e6), "re-entry": spread(entries).scaled(1e6)}
