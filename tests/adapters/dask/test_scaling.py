"""Clusters that grow and shrink by themselves, of stock `dask worker`s: running tasks go on."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

from distributed import Client, LocalCluster

import hetmig.dask
from tests.adapters.dask import programs
from tests.adapters.dask.cluster import cluster, home, in_the_middle, lines, until
from tests.adapters.dask.programs import result
from tests.adapters.dask.scaled import scaled

COUNT = 40
LONG = 3


def test_adapting_and_scaling_down_under_tasks_that_run(tmp_path: Path) -> None:
    logs = [tmp_path / f"long-{number}.log" for number in range(LONG)]
    gate = tmp_path / "gate"
    with cluster(tmp_path) as made, scaled(made, threads=1) as workers:
        client = made.client
        hetmig.dask.install(client)
        # There is much to do, and the cluster grows.
        workers.adapt(minimum=1, maximum=LONG, interval="100ms", target_duration="100ms")
        short = client.map(pow, range(60), [2] * 60)
        assert client.gather(short) == [number * number for number in range(60)]
        long = [client.submit(programs.steps, COUNT, str(log), str(gate)) for log in logs]
        for log in logs:
            in_the_middle(log, COUNT)
        before = {future.key: home(client, future) for future in long}
        assert len(set(before.values())) == LONG
        # Fewer are allowed now, and all of them work.
        adaptive = workers.adapt(minimum=1, maximum=2, interval="100ms", wait_count=1)
        until(lambda: len(made.addresses()) == 2 == len(workers.workers))
        adaptive.stop()
        workers.scale(1)
        until(lambda: len(made.addresses()) == 1 == len(workers.workers))
        (last,) = made.addresses().values()
        assert {home(client, future) for future in long} == {last}
        gate.touch()
        assert client.gather(long) == [result(COUNT)] * LONG
        events = [event for _, event in client.get_events("hetmig")]
    moved = [event["source"] for event in events if event["action"] == "moved"]
    assert {*before.values()} - {last} <= {*moved}
    assert sum(event["action"] == "begins" for event in events) == LONG
    for future, log in zip(long, logs, strict=True):
        found = lines(log)
        assert [int(number) for number, _ in found] == list(range(COUNT))
        stayed = before[future.key] == last
        assert len({worker for _, worker in found}) == (1 if stayed else 2)


def test_what_can_not_be_captured_begins_anew_when_its_cluster_shrinks(tmp_path: Path) -> None:
    log, gate = tmp_path / "log", tmp_path / "gate"
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as local,
        Client(local) as client,
    ):
        hetmig.dask.install(client, patience=0.5, grace=0.5)
        last = local.workers[1].address
        future = client.submit(
            programs.stuck, str(log), str(gate), workers=[last], allow_other_workers=True
        )
        until(lambda: lines(log))
        local.scale(1)  # no retired worker stays here: it is closed
        until(lambda: len(lines(log)) == 2)
        gate.touch()
        assert future.result(60) == 1
        events = [event["action"] for _, event in client.get_events("hetmig")]
    assert len(lines(log)) == 2
    assert events == ["begins", "stays", "resumes"]
