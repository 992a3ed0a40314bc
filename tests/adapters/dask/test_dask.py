"""Running tasks survive whatever takes their Dask worker away, with each side effect once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

import dask
import distributed
from distributed import LocalCluster

import hetmig
import hetmig.dask
from hetmig.dask import wire
from hetmig.dask.record import State, fresh_record
from hetmig.dask.shipping import resources_for
from hetmig.errors import HetmigError, MigrationRefused, NotMigratable
from hetmig.state import image
from tests.adapters.dask import programs
from tests.adapters.dask.cluster import Cluster, cluster, home, in_the_middle, lines, until
from tests.adapters.dask.programs import result

COUNT = 40
_names = count(1)


class Task:
    """A program with its log and its gate."""

    def __init__(self, directory: Path) -> None:
        name = f"task-{next(_names)}"
        self.log, self._gate = directory / f"{name}.log", directory / f"{name}.gate"
        self.args = (COUNT, str(self.log), str(self._gate))

    def wait(self) -> None:
        """Until it is in its middle."""
        in_the_middle(self.log, COUNT)

    def go_on(self) -> None:
        """Let it leave its middle."""
        self._gate.touch()

    def require_once(self, places: int = 2) -> None:
        """Each step was made once, in order, on so many workers."""
        found = lines(self.log)
        assert [int(number) for number, _ in found] == list(range(COUNT))
        assert len({worker for _, worker in found}) == places


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("dask")
    with cluster(directory, "first") as made:
        hetmig.dask.install(made.client, checkpoints=directory / "checkpoints", patience=3)
        yield made


@pytest.fixture
def task(made: Cluster) -> Task:
    return Task(made.directory)


def workers(made: Cluster, least: int = 2) -> dict[str, str]:
    """At least so many workers, by name."""
    while True:
        if len(named := made.addresses()) >= least:
            return named
        made.worker(f"w{next(_names)}")


def where(made: Cluster, future: Any) -> tuple[str, str]:
    """Name and address of the worker a task is on."""
    address = home(made.client, future)
    assert address is not None
    return next((n, a) for n, a in workers(made).items() if a == address)


def test_move(made: Cluster, task: Task) -> None:
    workers(made)
    future = hetmig.dask.submit(made.client, programs.steps, *task.args)
    task.wait()
    name, address = where(made, future)
    there = next(n for n in workers(made) if n != name)
    move = hetmig.dask.move(future, there)
    assert (move.source, move.destination) == (address, workers(made)[there])
    assert move.key == future.key
    assert move.bytes > 0 < move.freeze_s
    with pytest.raises(hetmig.errors.AlreadyThere):
        hetmig.dask.move(future, there)
    with pytest.raises(HetmigError, match=r"no worker 'nowhere'; there are .*first"):
        hetmig.dask.move(future, "nowhere")
    hetmig.dask.move(future, name)  # and back
    task.go_on()
    assert future.result(60) == result(COUNT)
    task.require_once(1)
    with pytest.raises(NotMigratable, match="does not run now"):
        hetmig.dask.move(future, there)


def test_retire_workers_while_ordinary_tasks_run(made: Cluster) -> None:
    workers(made)
    tasks = [Task(made.directory) for _ in range(4)]
    client = made.client
    futures = [client.submit(programs.steps, *tasks[0].args)]
    futures += client.map(programs.steps, *zip(*[task.args for task in tasks[1:3]], strict=True))
    delayed = dask.delayed(programs.steps)(*tasks[3].args)
    futures += [client.compute(delayed + 1)]
    for task in tasks:
        task.wait()
    name, address = where(made, futures[0])
    assert address in client.retire_workers(names=[name])
    assert made.address(name) is None
    for task in tasks:  # more than there are threads now: some wait for their turn
        task.go_on()
    assert client.gather(futures) == [result(COUNT)] * 3 + [result(COUNT) + 1]
    places = [len({worker for _, worker in lines(task.log)}) for task in tasks]
    assert max(places) == 2
    for task, number in zip(tasks, places, strict=True):
        task.require_once(number)


@pytest.mark.parametrize("whole", [False, True], ids=["sigterm", "ctrl-c for the whole group"])
def test_a_signal_to_a_worker_and_its_nanny(made: Cluster, task: Task, whole: bool) -> None:
    workers(made)
    future = made.client.submit(programs.steps, *task.args)
    task.wait()
    name, _ = where(made, future)
    process = made.processes[name]
    if whole:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    assert process.wait(60) == 0
    task.go_on()
    assert future.result(60) == result(COUNT)
    task.require_once()


def test_sigterm_to_a_worker_without_nanny(made: Cluster, task: Task) -> None:
    workers(made, 1)
    name = f"alone{next(_names)}"
    made.worker(name, "--no-nanny")
    future = made.client.submit(
        programs.steps, *task.args, workers=[name], allow_other_workers=True
    )
    task.wait()
    assert where(made, future)[0] == name
    made.processes[name].terminate()
    assert made.processes[name].wait(60) == 0
    task.go_on()
    assert future.result(60) == result(COUNT)
    task.require_once()


def test_a_result_is_brought_on_from_worker_to_worker(made: Cluster, task: Task) -> None:
    task.go_on()
    workers(made)
    future = made.client.submit(programs.steps, *task.args)
    until(future.done)
    for _ in range(2):  # it has not run on the second one
        ((address, *_),) = made.client.who_has([future]).values()
        name = next(name for name, a in workers(made).items() if a == address)
        made.processes[name].terminate()
        assert made.processes[name].wait(60) == 0
    assert future.result(60) == result(COUNT)
    task.require_once(1)


def test_lifetime_and_a_state_that_waits_for_a_worker(made: Cluster, task: Task) -> None:
    future = made.client.submit(programs.steps, *task.args, resources={"short": 1})
    for seconds in (4, 16, 64):  # on a busy machine it may be over before the task has begun
        made.launch("mayfly", "--resources", "short=1", "--lifetime", f"{seconds}s")
        assert made.processes["mayfly"].wait(200) == 0
        if len(lines(task.log)) > COUNT // 2:
            break
    task.wait()
    assert not future.done()
    made.worker("heir", "--resources", "short=1")
    task.go_on()
    assert future.result(60) == result(COUNT)
    task.require_once()


def test_sigkill_goes_on_from_the_last_checkpoint(made: Cluster, task: Task) -> None:
    workers(made)
    future = made.client.submit(programs.kept, *task.args)
    task.wait()

    def newest() -> int:
        names = (made.directory / "checkpoints").glob("*.checkpoint")
        return max((int(name.name.split(".")[2]) for name in names), default=0)

    before = newest()
    until(lambda: newest() >= before + 2)  # the second one is of the middle for certain
    name, _ = where(made, future)
    made.kill(name)
    task.go_on()
    assert future.result(60) == result(COUNT)
    task.require_once()
    until(lambda: newest() == 0)


def test_cancelled_is_ended(made: Cluster, task: Task) -> None:
    future = made.client.submit(programs.steps, *task.args)
    task.wait()
    future.cancel()

    def running(dask_worker: Any) -> int:
        return len(dask_worker.plugins["hetmig"]._host.runs)

    until(lambda: sum(made.client.run(running).values()) == 0)
    assert len(lines(task.log)) == COUNT // 2 + 1


def test_an_error_after_a_move(made: Cluster, task: Task) -> None:
    workers(made)
    future = made.client.submit(programs.failing, *task.args[1:])
    until(lambda: len(lines(task.log)) == 3)
    name, _ = where(made, future)
    hetmig.dask.move(future, next(n for n in workers(made) if n != name))
    task.go_on()
    with pytest.raises(LookupError, match="not there") as caught:
        future.result(60)
    assert "in failing" in str(caught.value.__cause__)
    assert len(lines(task.log)) == 4


def test_what_can_not_be_captured_stays(made: Cluster, task: Task) -> None:
    workers(made)
    future = made.client.submit(programs.stuck, *task.args[1:])
    until(lambda: lines(task.log))
    name, address = where(made, future)
    assert made.client.retire_workers(names=[name]) == {}
    assert workers(made)[name] == address
    with pytest.raises(NotMigratable):
        hetmig.dask.move(future, next(n for n in workers(made) if n != name))
    task.go_on()
    assert future.result(60) == 1
    events = [event for _, event in made.client.get_events("hetmig")]
    assert any(event["action"] == "stays" and event["reason"] for event in events)


def test_needs_are_resources_and_restrictions_are_kept(made: Cluster, task: Task) -> None:
    future = hetmig.dask.submit(made.client, programs.needy, *task.args)
    plain = next(iter(workers(made, 1)))
    has = ["--resources", "gpu=1 zone:secure=1"]
    made.worker("secure", *has)
    task.wait()
    assert where(made, future)[0] == "secure"
    with pytest.raises(MigrationRefused, match="resources="):
        hetmig.dask.move(future, plain)
    made.worker("other", *has)
    # as `cluster.scale` says it, for which Dask's own does nothing
    told = made.client.sync(made.client.scheduler.retire_workers, workers=["secure"])
    assert told == {}
    assert where(made, future)[0] == "other"
    task.go_on()
    assert future.result(60) == result(COUNT)
    task.require_once()


def test_what_only_nodes_have_is_refused(made: Cluster, task: Task) -> None:
    assert made.client.submit(programs.unmoved, str(task.log)).result(60) == 1
    assert [word for word, _ in lines(task.log)] == ["True", "True"]


def test_a_stale_run_is_fenced(made: Cluster, task: Task) -> None:
    future = made.client.submit(programs.steps, *task.args)
    task.wait()
    client = made.client
    about = {"key": future.key, "run_id": -7, "worker": home(client, future)}
    assert client.sync(wire.call, client.scheduler, "begin", **about) == {"fenced": True}
    with pytest.raises(NotMigratable, match="nobody wants"):
        client.sync(wire.call, client.scheduler, "moved", **about, held=None)
    task.go_on()
    assert future.result(60) == result(COUNT)


def test_a_state_whose_source_was_killed_does_not_wait_for_ever(made: Cluster, task: Task) -> None:
    async def orphan(dask_worker: Any, args: tuple[Any, ...]) -> None:
        host = dask_worker.plugins["hetmig"]._host
        frozen = image.freeze_call(programs.steps, args, {})
        state = State(frozen.manifest(fresh_record("orphan", {})), frozen.frames)
        await host.stage("orphan", "its state", state, "tcp://127.0.0.1:1")

    def waiting(dask_worker: Any) -> list[str]:
        return [*dask_worker.plugins["hetmig"]._host.held]

    address = next(iter(workers(made, 1).values()))
    made.client.run(orphan, args=task.args, workers=[address])
    until(lambda: not made.client.run(waiting, workers=[address])[address])
    assert not lines(task.log)


def test_install_says_what_is_wrong(made: Cluster) -> None:
    hetmig.dask.install(made.client, checkpoints=made.directory / "checkpoints", patience=3)
    with pytest.raises(HetmigError, match="with other settings"):
        hetmig.dask.install(made.client)
    with pytest.raises(HetmigError, match="needs a place"):
        hetmig.dask.install(made.client, every=3)
    with pytest.raises(ValueError, match="no time"):
        hetmig.dask.install(made.client, checkpoints="there", every=0)


def test_needs_without_counterpart() -> None:
    assert resources_for({"gpu": 2, "zone": "a", "tpu": True}) == {"gpu": 2, "zone:a": 0, "tpu": 0}
    for needs in ({"data": "s3://bucket"}, {"zone": ["a", "b"]}):
        with pytest.raises(HetmigError, match="no counterpart in Dask"):
            resources_for(needs)


def test_scale_down_of_a_local_cluster(tmp_path: Path) -> None:
    task = Task(tmp_path)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as local,
        distributed.Client(local) as client,
    ):
        shipped = hetmig.dask.portable(programs.steps)
        with pytest.raises(HetmigError, match=r"hetmig.dask.install\(client\)"):
            client.submit(shipped, *task.args).result(60)
        hetmig.dask.install(client)
        last = local.workers[1].address
        future = client.submit(
            shipped, *task.args, workers=[last], allow_other_workers=True, key="again"
        )
        task.wait()
        assert home(client, future) == last
        local.scale(1)
        until(lambda: len(local.workers) == 1)
        task.go_on()
        assert future.result(60) == result(COUNT)
    task.require_once()
