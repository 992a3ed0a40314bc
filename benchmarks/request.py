"""How long a request takes to stop a loop, also one that never calls anything.

As in a runner: the request comes from another process, as a signal.  The clock runs from before
the signal is sent until the loop's frames are captured and turned into bytes.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Spread, spread
from benchmarks.report import Report, Table
from benchmarks.stopped import LOOPS
from hetmig.interpreter.safepoint import SIGNAL

__all__ = ["run"]

_ROOT = Path(__file__).resolve().parent.parent
_KNOCK_SECONDS = 0.02
"""A node asks again as long as its runner has not noticed; so does this."""


def run(scale: float = 1.0) -> Report:
    """Stop each loop many times."""
    count = max(5, int(500 * scale))
    found = {name: _latencies(name, count) for name in LOOPS}
    table = Table(
        "Request: from the request to the frozen state, ms",
        ("a loop which", "median", "p90", "p99", "worst"),
        [(name, s.median, s.p90, s.p99, s.greatest) for name, s in found.items()],
        [f"{count} requests each, at scattered moments; the aim is 5 ms at the median."],
    )
    return Report([table], {"median_ms": {name: s.median for name, s in found.items()}})


def _latencies(loop: str, count: int) -> Spread:
    """Return request-to-frozen times in ms."""
    command = [sys.executable, "-m", "benchmarks.stopped", loop]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it loops now
            values = []
            for number in range(count):
                # anywhere in the loop, and in the interval at which CPython switches threads
                time.sleep(0.003 + (number * 0.618 % 1) * 0.01)
                asked = time.monotonic_ns()
                os.kill(process.pid, SIGNAL)
                while not select.select([process.stdout], [], [], _KNOCK_SECONDS)[0]:
                    os.kill(process.pid, SIGNAL)
                frozen = int(process.stdout.readline())
                values.append((frozen - asked) / 1e6)
        finally:
            process.kill()
    return spread(values)
