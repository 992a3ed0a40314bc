"""Twenty tasks in a cluster whose workers come and go by chance: each step once, each result exact.

    python -m pytest tests/adapters/dask/test_storm.py -m "nightly or not nightly"

`HETMIG_STORM_SEED` repeats one, `HETMIG_STORM_TASKS` says how many tasks.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from itertools import count as numbers
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

import hetmig.dask
from hetmig.errors import HetmigError
from tests.adapters.dask import programs
from tests.adapters.dask.cluster import Cluster, cluster, home, lines, until
from tests.adapters.dask.programs import result
from tests.adapters.dask.scaled import scaled

PAUSE = 0.02
KINDS = ("retire", "terminate", "scale", "move")
_names = numbers(2)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_storm(tmp_path: Path) -> None:
    done = storm(tmp_path, int(os.environ.get("HETMIG_STORM_TASKS", "20")), 1000, 1500)
    assert set(KINDS) <= {blow.split()[0] for blow in done}


def test_a_small_storm(tmp_path: Path) -> None:
    storm(tmp_path, 4, rounds=4, steps=400)


def storm(directory: Path, count: int, rounds: int, steps: int) -> list[str]:
    """What has been done to the cluster under that many tasks."""
    seed = int(os.environ.get("HETMIG_STORM_SEED") or time.time_ns() % 10**6)
    print("seed", seed)
    chance = random.Random(seed)
    done: list[str] = []
    with cluster(directory, "w0", "w1") as made, scaled(made) as workers:
        hetmig.dask.install(made.client, checkpoints=directory / "checkpoints", grace=5)
        logs = [directory / f"task-{number}" for number in range(count)]
        futures = [
            hetmig.dask.submit(made.client, programs.steps, steps, str(log), "", PAUSE)
            for log in logs
        ]
        kinds: list[str] = []
        while len(done) < rounds and not all(future.done() for future in futures):
            kinds = kinds or chance.sample(KINDS, len(KINDS))  # each as often
            done.append(blow(kinds.pop(), chance, made, workers, futures))
        print(*done, sep="\n")
        assert made.client.gather(futures) == [result(steps)] * count
        for log in logs:
            assert [int(step) for step, _ in lines(log)] == list(range(steps)), (log, seed)
        events = [event for _, event in made.client.get_events("hetmig")]
        actions = Counter(event["action"] for event in events)
        print(seed, dict(actions))
        assert actions["begins"] == count
        assert not actions["resumes"]
    return done


def blow(what: str, chance: random.Random, made: Cluster, workers: Any, futures: list) -> str:
    """A worker comes and one goes; there are more or fewer; or a task is moved."""
    before = sorted(made.addresses())
    if what in ("retire", "terminate"):
        victim = chance.choice(before)
        made.worker(f"w{next(_names)}")
        if what == "retire":
            made.client.retire_workers(names=[victim])
        else:
            made.processes[victim].send_signal(signal.SIGTERM)
            made.processes[victim].wait(60)
        return f"{what} {victim}"
    if what == "scale":
        number = chance.choice([n for n in range(4) if n != len(workers.worker_spec)])
        before_that = len(workers.worker_spec)
        workers.scale(number)
        if chance.random() < 0.5:
            until(lambda: workers.workers.keys() <= workers.worker_spec.keys())  # who goes, has
        return f"scale {before_that} to {number}"
    running = [future for future in futures if home(made.client, future) is not None]
    future, there = chance.choice(running or futures), chance.choice(before)
    try:
        hetmig.dask.move(future, there)
    except HetmigError as error:
        return f"move to {there}: {error}"
    return f"move to {there}"
