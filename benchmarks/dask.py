"""How long a task on a Dask cluster stands still when it moves, by the size of its state."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle

import benchmarks.dask_work
import hetmig
from benchmarks.dask_work import clocked, state_of
from benchmarks.report import Report, Table

__all__ = ["run"]

_MIB = 1 << 20
_SIZES = (1, 16, 64, 256)
_NAMES = ("one", "two")
_WAIT = 120.0


def run(scale: float = 1.0) -> Report:
    """Move a task to and fro between two `dask worker`s, beside plain copies of its state."""
    sizes = _SIZES if scale >= 0.5 else _SIZES[:3] if scale >= 0.1 else _SIZES[:1]
    count = max(2, int(10 * scale))
    # by value, as the functions of a script are: the workers can not import benchmarks
    cloudpickle.register_pickle_by_value(benchmarks.dask_work)
    rows: list[tuple[Any, ...]] = []
    figures: dict[str, Any] = {"stood_still_ms": {}, "plain_ms": {}}
    with tempfile.TemporaryDirectory() as directory, _cluster(Path(directory)) as client:
        _moved(client, 0, 4)  # the connections, and the first use of everything
        for size in (0, *sizes):
            stood = [1e3 * seconds for seconds in _moved(client, size * _MIB, count)]
            plain = [1e3 * seconds for seconds in _plain(state_of(size * _MIB), count)]
            middle, beside = statistics.median(stood), statistics.median(plain)
            rows.append((size, len(stood), middle, min(stood), max(stood), beside, middle / beside))
            figures["stood_still_ms"][size] = middle
            figures["plain_ms"][size] = beside
    table = Table(
        "Dask: how long a task stands still when it moves to another worker, ms",
        ("state, MiB", "moves", "median", "least", "worst", "pickle + socket", "ratio"),
        rows,
        [
            "From the task's last instruction on one worker to its first on the other, by its own "
            "looks at the clock; two `dask worker` processes with nannies on this machine. The "
            "state is bytes that nothing can compress, in pieces of 1 MiB, in a list and a dict.",
            "Beside it, in the same run: pickle (protocol 5, buffers in band) the same state, send "
            "it through one TCP connection over loopback to another process, unpickle it there, "
            "and hear a byte back.",
        ],
    )
    return Report([table], figures)


def _moved(client: Any, size: int, count: int) -> list[float]:
    adapter = importlib.import_module("hetmig.dask")
    with tempfile.TemporaryDirectory() as directory:
        ready = Path(directory, "ready")
        future = adapter.submit(client, clocked, size, count, str(ready), pure=False)
        _until(ready.exists)
    while not future.done():  # one more than counts, if the first came before the clock was read
        here = _home(client, future.key)
        there = next(address for address in client.nthreads() if address != here)
        with contextlib.suppress(hetmig.NotMigratable):  # it has just ended
            adapter.move(future, there)
    found: list[float] = future.result(_WAIT)
    return found


def _home(client: Any, key: str) -> str | None:
    return next((str(a) for a, keys in client.processing().items() if key in keys), None)


def _until(condition: Any) -> None:
    deadline = time.monotonic() + _WAIT
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("the Dask cluster does not come up")
        time.sleep(0.02)


@contextlib.contextmanager
def _cluster(directory: Path) -> Iterator[Any]:
    adapter = importlib.import_module("hetmig.dask")
    distributed = importlib.import_module("distributed")
    file = directory / "scheduler.json"
    usual = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]
    commands = [["scheduler", *usual, "--port", "0"]]
    commands += [
        ["worker", *usual, "--name", name, "--nthreads", "1", "--local-directory", str(directory)]
        for name in _NAMES
    ]
    with open(directory / "log", "wb") as log:
        processes = [
            subprocess.Popen([sys.executable, "-m", "dask", *command], stdout=log, stderr=log)
            for command in commands
        ]
    try:
        _until(lambda: file.exists() and file.stat().st_size)
        with distributed.Client(scheduler_file=str(file), timeout=_WAIT) as client:
            client.wait_for_workers(len(_NAMES), timeout=_WAIT)
            adapter.install(client)
            yield client
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def _plain(state: object, count: int) -> list[float]:
    """Seconds of each copy to another process."""
    times = []
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.dask_work", str(server.getsockname()[1])]
        ) as process,
    ):
        line, _ = server.accept()
        with line:
            for _ in range(count + 1):
                start = time.monotonic()
                data = pickle.dumps(state, protocol=5)
                line.sendall(len(data).to_bytes(8, "big"))
                line.sendall(data)
                if not line.recv(1):
                    sys.exit(f"the other process ended with code {process.wait()}")
                times.append(time.monotonic() - start)
    return times[1:]  # the first finds the other process cold
