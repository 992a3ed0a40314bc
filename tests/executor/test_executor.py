"""`hetmig.Executor` beyond what the standard library's tests ask of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import subprocess
import sys
import weakref

import pytest

import hetmig
from hetmig import connection
from hetmig.errors import NotMigratable, TaskLost
from hetmig.executor import ExecutorBroken, TaskFuture
from hetmig.node.embedded import LocalNodes
from tests.executor import calls

SECONDS = 60


@pytest.fixture(scope="module")
def local():
    with LocalNodes(2, path=sys.path) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def nodes(local):
    with hetmig.connect(local[0], keys=local.keys) as connected:
        yield connected


@pytest.fixture
def executor(nodes):
    with hetmig.Executor(2, nodes=nodes) as made:
        yield made


def test_it_is_an_executor_of_the_standard_library(executor):
    assert isinstance(executor, concurrent.futures.Executor)
    future = executor.submit(calls.add, 41)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(SECONDS) == 42
    assert not future.running()


def test_a_future_has_the_task_which_can_be_moved(executor, tmp_path):
    future = executor.submit(calls.until, str(tmp_path / "go"))
    assert future.task.move("b").destination == "b"
    assert future.task.where() == "b"
    assert future.running()
    assert not future.done()
    (tmp_path / "go").touch()
    assert future.result(SECONDS) == str(tmp_path / "go")
    assert [hop.destination for hop in future.task.journey()] == ["b"]


def test_a_chunk_that_is_moved_goes_on_with_its_next_item(executor, tmp_path):
    results = executor.map(
        calls.chunk_item, range(4), [str(tmp_path / "go")] * 4, chunksize=4, timeout=SECONDS
    )
    (info,) = [info for info in executor_tasks(executor) if info.state == "running"]
    executor_nodes(executor).task(info.id).move("b")
    (tmp_path / "go").touch()
    numbers, processes = zip(*results, strict=True)
    assert numbers == (0, 1, 2, 3)
    assert processes[0] == processes[1] != processes[2] == processes[3]


def executor_nodes(executor):
    return executor._dispatcher.members[0].nodes


def executor_tasks(executor):
    """Those of the node, with the one that has just been submitted."""
    mine: list = []
    while not any(info.state == "running" for info in mine):
        mine = [i for i in executor_nodes(executor).tasks() if i.name == "chunk_item"]
    return mine


def test_an_async_function_gives_its_result(executor):
    assert executor.submit(calls.slowly, 4).result(SECONDS) == 8
    assert list(executor.map(calls.slowly, range(5), chunksize=2)) == [0, 2, 4, 6, 8]


def test_what_has_not_begun_can_be_cancelled(nodes, tmp_path):
    with hetmig.Executor(1, nodes=nodes) as executor:
        first = executor.submit(calls.until, str(tmp_path / "go"))
        second, third = executor.submit(calls.add, 1), executor.submit(calls.add, 2)
        assert first.running()
        assert not first.cancel()
        assert second.cancel()
        assert second.cancelled()
        assert concurrent.futures.wait([second], SECONDS).done == {second}
        with pytest.raises(concurrent.futures.CancelledError):
            second.task  # it has none
        (tmp_path / "go").touch()
        assert third.result(SECONDS) == 3


def test_what_runs_is_cancelled_by_its_task(executor):
    future = executor.submit(calls.for_ever)
    future.task.cancel()
    assert concurrent.futures.wait([future], SECONDS).done == {future}
    assert future.cancelled()
    assert executor.submit(calls.add, 1).result(SECONDS) == 2


def test_an_exception_has_its_remote_traceback(executor):
    error = executor.submit(calls.fail).exception(SECONDS)
    assert repr(error) == "RuntimeError(123)"
    assert isinstance(error.__cause__, hetmig.errors.RemoteTraceback)
    assert "raise RuntimeError(123)  # a comment" in str(error.__cause__)


def test_what_cannot_travel_is_said_by_the_future(executor):
    with open(__file__) as file:
        future = executor.submit(calls.add, file)
        assert isinstance(future.exception(SECONDS), NotMigratable)
    with pytest.raises(NotMigratable):
        future.task


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_result_that_ends_the_process_when_unpickled_ends_nothing(executor):
    future = executor.submit(calls.ExitsWhenUnpickled)
    assert isinstance(future.exception(SECONDS), SystemExit)
    assert executor.submit(calls.add, 1).result(SECONDS) == 2


def test_a_process_that_is_gone_is_that_calls_loss_only(executor):
    assert isinstance(executor.submit(calls.exit_process).exception(SECONDS), TaskLost)
    assert executor.submit(calls.add, 1).result(SECONDS) == 2


def test_the_initializer_is_called_in_each_task(nodes):
    with hetmig.Executor(2, nodes=nodes, initializer=calls.set_status, initargs=("set",)) as made:
        assert [made.submit(calls.status).result(SECONDS) for _ in range(2)] == ["set", "set"]
        assert list(made.map(calls.add, [1, 2])) == [2, 3]
    with hetmig.Executor(1, nodes=nodes) as made:
        assert made.submit(calls.status).result(SECONDS) == "as imported"


def test_an_initializer_that_fails_breaks_the_executor(nodes, caplog):
    with hetmig.Executor(1, nodes=nodes, initializer=calls.fail) as made:
        futures = [made.submit(calls.add, n) for n in range(3)]
        errors = [future.exception(SECONDS) for future in futures]
        assert [type(error) for error in errors] == [ExecutorBroken] * 3
        with pytest.raises(concurrent.futures.BrokenExecutor, match="RuntimeError"):
            made.submit(calls.add, 1)
    assert caplog.text.count("raise RuntimeError(123)") == 1


def test_map_reads_only_so_far_ahead_as_its_buffer_is_large(executor):
    read: list[int] = []

    def numbers():
        for number in range(8):
            read.append(number)
            yield number

    results = executor.map(calls.add, numbers(), buffersize=2)
    assert read == [0, 1]
    assert next(results) == 1
    assert read == [0, 1, 2]
    assert list(results) == list(range(2, 9))
    with pytest.raises(ValueError, match="buffersize"):
        executor.map(calls.add, [1], buffersize=0)
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(calls.add, [1], chunksize=0)


def test_map_has_a_timeout(executor):
    results = executor.map(calls.until, ["/", "/no such file"], timeout=2)
    assert next(results) == "/"
    with pytest.raises(TimeoutError):
        next(results)
    for info in executor_nodes(executor).tasks():
        if info.state == "running":
            executor_nodes(executor).task(info.id).cancel()


def test_run_in_executor(executor):
    async def main():
        loop = asyncio.get_running_loop()
        several = [loop.run_in_executor(executor, calls.add, n) for n in range(3)]
        return await asyncio.gather(*several)

    assert asyncio.run(main()) == [1, 2, 3]


def test_several_nodes_share_the_calls(local, tmp_path):
    with hetmig.Executor(2, nodes=local.endpoints, keys=local.keys) as made:
        futures = [made.submit(calls.until, str(tmp_path / "go")) for _ in range(2)]
        assert {future.task.where() for future in futures} == {"a", "b"}
        (tmp_path / "go").touch()


def test_a_drained_node_gets_no_more(local):
    with hetmig.connect(local[0], keys=local.keys) as nodes:
        nodes.drain("b", 20)
        try:
            with hetmig.Executor(2, nodes=local.endpoints, keys=local.keys) as made:
                assert list(made.map(calls.add, range(4))) == [1, 2, 3, 4]
            with (
                hetmig.Executor(2, nodes=local.endpoints[1], keys=local.keys) as made,
                pytest.raises(concurrent.futures.BrokenExecutor, match="drain"),
            ):
                made.submit(calls.add, 1).result(SECONDS)
        finally:
            nodes.undrain("b")


def test_it_is_broken_when_its_nodes_are_lost(monkeypatch):
    monkeypatch.setattr(connection, "_PATIENCE", 0.5)
    monkeypatch.setattr(connection, "_POLL_SECONDS", 0.5)
    with LocalNodes(1, path=sys.path) as alone:
        with hetmig.Executor(1, nodes=alone.endpoints, keys=alone.keys) as made:
            running, waiting = made.submit(calls.for_ever), made.submit(calls.add, 1)
            running.task  # it has begun
            alone[0].kill()
            for future in (running, waiting):
                assert isinstance(future.exception(SECONDS), concurrent.futures.BrokenExecutor)
            with pytest.raises(concurrent.futures.BrokenExecutor, match="lost"):
                made.submit(calls.add, 1)


def test_nothing_is_kept_of_what_has_ended(executor):
    future = executor.submit(calls.add, 1)
    assert future.result(SECONDS) == 2
    seen = weakref.ref(future)
    del future
    # the threads that have brought it may still be in their last step
    executor.submit(calls.add, 1).result(SECONDS)
    gc.collect()
    assert seen() is None
    assert not [
        t
        for t in executor_nodes(executor)._followed._tasks.values()
        if t.done() and t.name == "add"
    ]


def test_a_connection_that_is_closed_ends_what_waits(local):
    with hetmig.connect(local[0], keys=local.keys) as nodes:
        executor = hetmig.Executor(1, nodes=nodes)
        futures = [executor.submit(calls.for_ever), executor.submit(calls.add, 1)]
        task = futures[0].task
        task_id = task.id
    for future in futures:
        assert isinstance(future.exception(SECONDS), hetmig.HetmigError)
    executor.shutdown()
    with hetmig.connect(local[0], keys=local.keys) as nodes:
        nodes.task(task_id).cancel()


PROGRAM = """
import hetmig
from tests.executor.calls import add
executor = hetmig.Executor(1)
executor.submit(print, "apple")
executor.submit(print, "pear")
del executor
"""


def test_a_program_ends_when_what_it_submitted_has_ended():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["apple", "pear"]


def test_what_makes_no_sense_is_refused(nodes):
    with pytest.raises(ValueError, match="max_workers"):
        hetmig.Executor(0, nodes=nodes)
    with pytest.raises(TypeError, match="initializer"):
        hetmig.Executor(nodes=nodes, initializer=3)
    with pytest.raises(ValueError, match="nodes is empty"):
        hetmig.Executor(nodes=[])
    executor = hetmig.Executor(nodes=nodes)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(calls.add, 1)


def test_a_future_tells_in_words_where_it_is():
    future: TaskFuture[int] = TaskFuture()
    assert "waits for its turn" in repr(future)
    future.cancel()
    assert "cancelled" in repr(future)


def test_ctrl_c_ends_what_runs(nodes):
    """As it does with a pool of processes: else the `with` would wait for its end."""
    executor = hetmig.Executor(1, nodes=nodes)
    running, waiting = (executor.submit(calls.for_ever) for _ in range(2))
    assert running.task.where()
    with pytest.raises(KeyboardInterrupt), executor:
        raise KeyboardInterrupt
    assert running.cancelled()
    assert waiting.cancelled()
    assert running.task.cancelled()
