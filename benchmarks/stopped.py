"""The process that the request benchmark stops: `python -m benchmarks.stopped LOOP`."""

from __future__ import annotations

import sys
import time
from types import FrameType

from hetmig.interpreter.capture import capture
from hetmig.interpreter.safepoint import Preemptor
from hetmig.state.image import freeze

__all__ = ["LOOPS"]


def _tight() -> None:
    a, b, words = 1, 2, ["three", "four"]
    while words:
        a, b = b, (a + b) & 0xFFFF


def _next(a: int, b: int) -> int:
    return (a + b) & 0xFFFF


def _calls() -> None:
    a, b = 1, 2
    while True:
        a, b = b, _next(a, b)


def _sorting() -> None:
    numbers = list(range(2000))
    while True:
        numbers.sort(key=lambda number: number * 7919 % 2003)  # some 0.3 ms


LOOPS = {
    "never calls anything": _tight,
    "calls functions": _calls,
    "sorts with a key, which can't be left": _sorting,
}


def main() -> None:
    """Loop, and at each request say when the state was ready; then go on as if refused."""
    root = sys._getframe()

    def visit(frame: FrameType) -> bool:
        freeze(capture(frame, root=root))
        print(time.monotonic_ns(), flush=True)
        return True

    preemptor = Preemptor(visit, lambda error: print(error, file=sys.stderr))
    preemptor.poll = lambda: preemptor.begin(10.0)
    preemptor.install()
    print("ready", flush=True)
    LOOPS[sys.argv[1]]()


if __name__ == "__main__":
    main()
