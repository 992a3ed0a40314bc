"""What it takes to move a suspended generator or a deep call stack, beside plain pickle."""

from __future__ import annotations

import itertools
import pickle
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, GeneratorType
from typing import Any, NamedTuple

import hetmig
from benchmarks.measure import Pair, pair_of, paired
from benchmarks.report import Report, Table
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.capture import capture
from hetmig.interpreter.reentry import prepare
from hetmig.state.image import freeze, thaw

__all__ = ["averages", "run"]

DEPTHS = (1, 51)


def averages(readings: Any, weight: float) -> Iterator[float]:
    """A small generator with five locals."""
    total, count = 0.0, 0
    for reading in readings:
        total += reading * weight
        count += 1  # noqa: SIM113  # a fifth local
        yield total / count


def tallied(words: Any, known: Any) -> Iterator[int]:
    """Another one, whose five locals hold more: plain pickle takes some 5 µs for them."""
    counts: dict[str, int] = {}
    for number, word in enumerate(words):
        counts[word] = counts.get(word, 0) + known.get(word, 1)
        yield number


def _suspended() -> Iterator[float]:
    generator = averages([3, 1, 4, 1, 5, 9, 2, 6], 0.5)
    next(generator)
    next(generator)
    return generator


def run(scale: float = 1.0) -> Report:
    """Time all of it."""
    trips = {name: _trip(make, scale) for name, make in _GENERATORS.items()}
    speeds = {name: _speed(name, scale) for name in ("moved", "dumped and kept")}
    frame, new, known = _per_frame(scale), *_assembling(scale)
    tables = [
        Table(
            "Suspended: `loads(dumps(generator))` beside plain pickle of a dict with its locals",
            ("a generator", "bytes", "plain, least µs", "least µs", "median µs", "times plain"),
            [
                (name, trip.bytes, trip.plain_us, trip.least_us, trip.median_us, trip.ratio)
                for name, trip in trips.items()
            ],
            [
                "Warm, in one process, in turn; a hundred at a time, processor time. Of the median "
                "much is what else the machine does: caches are shared.",
                "The aim is 40 µs, eight times plain, 450 bytes, where plain takes about 5 µs.",
                "Bytes when both sides have the code; of a script's own it travels along.",
            ],
        ),
        Table(
            "Suspended: the speed of `next`, by that of an untouched generator",
            ("a generator", "speed", "95 % interval"),
            [
                (name, 1 / pair.ratio, f"{1 / pair.high:.3f} – {1 / pair.low:.3f}")
                for name, pair in speeds.items()
            ],
        ),
        Table(
            "Suspended: frames on a call stack, µs",
            ("what", "least", "median"),
            [
                ("a further frame: capture, pickle, unpickle, put back", *frame),
                ("assembling a re-entry for a new code location", *new),
                ("the same location again", *known),
            ],
            [
                f"The further frame: the difference of {DEPTHS[1]} frames and {DEPTHS[0]}, by "
                "their number. The aims are 15 µs and 1 ms."
            ],
        ),
    ]
    figures = {
        "round_trip_us": {name: trip.least_us for name, trip in trips.items()},
        "times_plain": {name: trip.ratio for name, trip in trips.items()},
        "bytes": {name: trip.bytes for name, trip in trips.items()},
        "next_speed": {name: 1 / pair.ratio for name, pair in speeds.items()},
        "stack_us": {
            "per frame": frame.least,
            "new location": new.least,
            "known location": known.least,
        },
    }
    return Report(tables, figures)


# -- there and back


def _of_a_script() -> Iterator[float]:
    """The same in a namespace that nobody can import."""
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    function = FunctionType(averages.__code__.replace(), namespace, "averages")
    generator: Iterator[float] = function([3, 1, 4, 1, 5, 9, 2, 6], 0.5)
    next(generator)
    return generator


def _with_more() -> Iterator[float]:
    words = [f"word{number * 7919 % 31}" for number in range(40)]
    generator = tallied(words, {word: len(word) for word in words[:20]})
    for _ in range(20):
        next(generator)
    return generator


_GENERATORS: dict[str, Callable[[], Iterator[float]]] = {
    "of an importable module": _suspended,
    "the same, with more in its locals": _with_more,
    "of a script": _of_a_script,
}


class _Trip(NamedTuple):
    bytes: int
    plain_us: float
    least_us: float
    median_us: float
    ratio: float


def _trip(make: Callable[[], Iterator[float]], scale: float) -> _Trip:
    generator = make()
    assert isinstance(generator, GeneratorType)
    assert generator.gi_frame is not None
    variables = dict(generator.gi_frame.f_locals)
    assert len(variables) == 5
    expected = list(itertools.islice(make(), 6))
    assert list(itertools.islice(hetmig.loads(hetmig.dumps(make())), 6)) == expected

    def plain() -> None:
        for _ in range(100):
            pickle.loads(pickle.dumps(variables))

    def moved() -> None:
        for _ in range(100):
            hetmig.loads(hetmig.dumps(generator))

    rounds = [paired(plain, moved, 1) for _ in range(max(3, int(100 * scale)))]
    both = pair_of([(pair.first_s, pair.second_s) for pair in rounds])
    return _Trip(
        len(hetmig.dumps(generator)),
        min(pair.first_s for pair in rounds) * 1e4,
        min(pair.second_s for pair in rounds) * 1e4,
        both.second_s * 1e4,
        min(pair.second_s for pair in rounds) / min(pair.first_s for pair in rounds),
    )


# -- the speed afterwards


def _twin() -> Callable[..., Iterator[float]]:
    # CPython specialises instructions in the code object itself: shared, one would warm the other
    return FunctionType(averages.__code__.replace(), globals(), "averages")


def _speed(which: str, scale: float) -> Pair:
    count = max(100, int(20_000 * scale))

    def started() -> Iterator[float]:
        generator = _twin()(itertools.repeat(1), 0.5)
        next(generator)
        return generator

    def advance(generator: Iterator[float]) -> float:
        return sum(itertools.islice(generator, count))

    times = []
    for _ in range(max(3, int(60 * scale))):  # new ones: where they lie in memory has its effect
        untouched, other = started(), started()
        data = hetmig.dumps(other)
        if which == "moved":
            other = hetmig.loads(data)
        pair = paired(partial(advance, untouched), partial(advance, other), 2)
        times.append((pair.first_s, pair.second_s))
    return pair_of(times)


# -- frames on a call stack


class _Stop:
    """Where the capture of a stack ends, and what it took; no variable of that stack holds it."""

    root: Any = None
    taken: tuple[Activation, ...] = ()


def _deep(depth: int) -> int:
    if depth > 1:
        return depth + _deep(depth - 1)
    _take()
    return depth


def _take() -> None:
    frame = sys._getframe()
    assert frame.f_back is not None
    _Stop.taken = tuple(capture(frame.f_back, root=_Stop.root, callee=frame))


def _captured(function: Callable[[int], int], depth: int) -> tuple[Activation, ...]:
    _Stop.root = sys._getframe()
    try:
        function(depth)
        return _Stop.taken
    finally:
        _Stop.root, _Stop.taken = None, ()


class _Times(NamedTuple):
    """In µs."""

    least: float
    median: float


def _times(seconds: list[float]) -> _Times:
    return _Times(min(seconds) * 1e6, statistics.median(seconds) * 1e6)


def _per_frame(scale: float) -> _Times:
    found = []
    for depth in DEPTHS:
        times = []
        for _ in range(max(5, int(200 * scale))):
            start = time.perf_counter()
            stack, _ = thaw(freeze(_captured(_deep, depth)))
            go_on = prepare(stack)
            times.append(time.perf_counter() - start)
            assert go_on(None) == depth * (depth + 1) // 2
        found.append(_times(times))
    few, many = found
    return _Times(
        *((more - less) / (DEPTHS[1] - DEPTHS[0]) for less, more in zip(few, many, strict=True))
    )


def _assembling(scale: float) -> tuple[_Times, _Times]:
    """Put a frame back whose code was never put back before, and once more."""
    new: list[float] = []
    known: list[float] = []
    for _ in range(max(5, int(200 * scale))):
        stack = _captured(FunctionType(_unknown(_deep.__code__), globals()), 1)
        for times in (new, known):
            start = time.perf_counter()
            prepare(stack)
            times.append(time.perf_counter() - start)
    return _times(new), _times(known)


def _unknown(code: CodeType) -> CodeType:
    """The same code, but not to be found in any cache, by its identity or by what it is."""
    return code.replace(co_consts=(*code.co_consts, next(_numbers)))


_numbers = itertools.count()
