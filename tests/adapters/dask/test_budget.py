"""SIGTERM to a stock `dask worker`: its nanny kills after some 8 s, be the state out or not.

python -m pytest tests/adapters/dask/test_budget.py -m "nightly or not nightly" -s
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

import hetmig.dask
from tests.adapters.dask import programs
from tests.adapters.dask.cluster import Cluster, cluster, home, in_the_middle, lines, until
from tests.adapters.dask.programs import result

COUNT = 40


def newest(store: Path) -> int:
    """The number of a task's newest checkpoint."""
    names = store.glob("*.checkpoint")
    return max((int(name.name.split(".")[2]) for name in names), default=0)


def terminated(made: Cluster, key: str) -> float:
    """Send SIGTERM to the worker which has the task; seconds until it and its nanny are gone."""
    address = next(a for a, keys in made.client.processing().items() if key in keys)
    name = next(n for n, a in made.addresses().items() if a == address)
    process, start = made.processes[name], time.monotonic()
    process.terminate()
    assert process.wait(60) == 0
    return time.monotonic() - start


@pytest.mark.nightly
@pytest.mark.parametrize("mebibytes", [32, 64, 256, 512])
def test_a_large_state_leaves_in_time_or_the_task_begins_anew(
    tmp_path: Path, mebibytes: int
) -> None:
    log, gate = tmp_path / "log", tmp_path / "gate"
    with cluster(tmp_path, "one", "two") as made:
        hetmig.dask.install(made.client)
        future = made.client.submit(programs.heavy, mebibytes, COUNT, str(log), str(gate))
        in_the_middle(log, COUNT)
        seconds = terminated(made, future.key)
        gate.touch()
        assert future.result(120) == (result(COUNT), True)
        events = [event for _, event in made.client.get_events("hetmig")]
    moved = [event for event in events if event["action"] == "moved"]
    figures = [(round(e["wait_s"], 2), round(e["freeze_s"], 2), e["bytes"]) for e in moved]
    print(f"{mebibytes} MiB: worker gone after {seconds:.2f} s, {figures}")
    numbers = [int(number) for number, _ in lines(log)]
    begun = [*range(COUNT)] if moved else [*range(COUNT // 2 + 1), *range(COUNT)]
    assert numbers == begun
    assert moved or mebibytes > 64, made.log("one") + made.log("two")


@pytest.mark.parametrize(
    ("kept", "grace"),
    [
        pytest.param(False, 4, id="anew", marks=pytest.mark.nightly),
        pytest.param(True, 4, id="from its checkpoint"),
        # the worker does not give up, and is killed while its task stands still
        pytest.param(True, 40, id="killed by its nanny", marks=pytest.mark.nightly),
    ],
)
def test_what_does_not_get_out_in_time_is_started_again(
    tmp_path: Path, kept: bool, grace: float
) -> None:
    log, gate, trigger = tmp_path / "log", tmp_path / "gate", tmp_path / "slow"
    store = tmp_path / "store"
    with cluster(tmp_path, "one", "two") as made:
        if kept:
            hetmig.dask.install(made.client, checkpoints=store.as_uri(), every=0.1, grace=grace)
        else:
            hetmig.dask.install(made.client, grace=grace)
        future = made.client.submit(programs.slow, COUNT, str(log), str(gate), str(trigger))
        in_the_middle(log, COUNT)
        if kept:
            before = newest(store)
            until(lambda: newest(store) > before + 1)  # that one is of the middle for certain
        trigger.touch()
        address = home(made.client, future)
        seconds = terminated(made, future.key)
        print(f"worker gone after {seconds:.2f} s")
        trigger.unlink()
        gate.touch()
        assert future.result(60) == result(COUNT)
        assert address not in made.addresses().values()
        events = [e["action"] for _, e in made.client.get_events("hetmig")]
    numbers = [int(number) for number, _ in lines(log)]
    assert numbers == [*range(0 if kept else COUNT // 2 + 1), *range(COUNT)]
    assert "moved" not in events
    assert ("resumes" in events) or not kept
