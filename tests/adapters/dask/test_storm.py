"""Twenty tasks in a cluster whose workers come and go by chance: each step once, each result exact.

    python -m pytest tests/adapters/dask/test_storm.py -m "nightly or not nightly"

`HETMIG_STORM_SEED` repeats one, `HETMIG_STORM_TASKS` says how many tasks.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

import hetmig.dask
from hetmig.errors import HetmigError
from tests.adapters.dask import programs
from tests.adapters.dask.cluster import Cluster, cluster, home, lines
from tests.adapters.dask.programs import result

STEPS = 400
PAUSE = 0.02


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_storm_of_retiring_and_terminating(tmp_path: Path) -> None:
    storm(tmp_path, int(os.environ.get("HETMIG_STORM_TASKS", "20")))


def test_a_small_storm(tmp_path: Path) -> None:
    storm(tmp_path, 4, rounds=3)


def storm(directory: Path, count: int, rounds: int = 1000) -> None:
    seed = int(os.environ.get("HETMIG_STORM_SEED") or time.time_ns() % 10**6)
    print("seed", seed)
    chance = random.Random(seed)
    with cluster(directory, "w0", "w1") as made:
        hetmig.dask.install(made.client, checkpoints=directory / "checkpoints", grace=5)
        logs = [directory / f"task-{number}" for number in range(count)]
        futures = [
            hetmig.dask.submit(made.client, programs.steps, STEPS, str(log), "", PAUSE)
            for log in logs
        ]
        done = []
        for number in range(2, rounds + 2):
            if all(future.done() for future in futures):
                break
            done.append(blow(chance, made, futures, f"w{number}"))
        print(done)
        assert made.client.gather(futures) == [result(STEPS)] * count
        for log in logs:
            assert [int(step) for step, _ in lines(log)] == list(range(STEPS)), (log, seed)


def blow(chance: random.Random, made: Cluster, futures: list, name: str) -> str:
    """Another worker comes, and one goes; or a task is moved."""
    before = sorted(made.addresses())
    made.worker(name)
    victim = chance.choice(before)
    match what := chance.choice(["retire", "terminate", "move"]):
        case "retire":
            made.client.retire_workers(names=[victim])
        case "terminate":
            made.processes[victim].send_signal(signal.SIGTERM)
            made.processes[victim].wait(60)
        case "move":
            future = chance.choice(futures)
            if home(made.client, future) is not None:
                try:
                    hetmig.dask.move(future, name)
                except HetmigError as error:
                    what += f" ({error})"
    return f"{what} {victim}"
