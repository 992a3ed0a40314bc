"""What an executor costs for each small task, beside ProcessPoolExecutor in the same run.

A task of hetmig is a process of its own, which can move; the process pool's are calls in processes
that are there already.  `chunksize` shares that out.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import sys
import time
from collections.abc import Callable

import hetmig
from benchmarks.measure import Spread, spread
from benchmarks.report import Report, Table
from hetmig.node.embedded import LocalNodes

__all__ = ["run"]

_WORKERS = 2
_CHUNK = 50
_Pool = Callable[[], concurrent.futures.Executor]


def run(scale: float = 1.0) -> Report:
    """Call `abs` many times, one after the other, all at once, and in chunks."""
    count = max(10, int(200 * scale))
    spawn = multiprocessing.get_context("spawn")
    with LocalNodes(1, path=sys.path) as local, hetmig.connect(local[0], keys=local.keys) as nodes:
        pools: dict[str, _Pool] = {
            "ProcessPoolExecutor": lambda: concurrent.futures.ProcessPoolExecutor(
                _WORKERS, mp_context=spawn
            ),
            "hetmig.Executor": lambda: hetmig.Executor(_WORKERS, nodes=nodes),
        }
        found = {name: _measured(pool, count) for name, pool in pools.items()}
    rows = [
        (name, alone.median, alone.p90, together, chunked)
        for name, (alone, together, chunked) in found.items()
    ]
    table = Table(
        "Executor: time for each call of abs, ms",
        ("with", "alone, median", "p90", f"{count} at once", f"in chunks of {_CHUNK}"),
        rows,
        [
            f"{_WORKERS} workers. Alone: submitted, and its result awaited, {count} times.",
            "At once and in chunks: the time of `map` over so many, divided by their number.",
        ],
    )
    figures = {
        name: {"alone_ms": alone.median, "at_once_ms": together, "in_chunks_ms": chunked}
        for name, (alone, together, chunked) in found.items()
    }
    return Report([table], figures)


def _measured(pool: _Pool, count: int) -> tuple[Spread, float, float]:
    with pool() as executor:
        list(executor.map(abs, range(2 * _WORKERS)))  # its processes are there now
        alone = []
        for number in range(count):
            begun = time.monotonic()
            executor.submit(abs, -number).result()
            alone.append(1000 * (time.monotonic() - begun))
        together = _mapped(executor, count, 1)
        chunked = _mapped(executor, count * _CHUNK, _CHUNK)
    return spread(alone), together, chunked


def _mapped(executor: concurrent.futures.Executor, count: int, chunksize: int) -> float:
    begun = time.monotonic()
    assert list(executor.map(abs, range(count), chunksize=chunksize)) == list(range(count))
    return 1000 * (time.monotonic() - begun) / count
