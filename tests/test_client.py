"""The client: submitting, results, exceptions, output, progress, cancelling, looking around."""

from __future__ import annotations

import concurrent.futures
import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

import hetmig
from hetmig.client import Nodes, RemoteTraceback, connect
from hetmig.errors import NodeUnreachable, NotMigratable, TaskFailed, TaskLost
from hetmig.node.embedded import LocalNodes
from tests.node import programs

TIMEOUT = 60


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalNodes]:
    with LocalNodes(1) as nodes:
        yield nodes


def test_a_result(nodes: Nodes) -> None:
    task = nodes.submit(programs.add, 40, b=2)
    assert isinstance(task, concurrent.futures.Future)
    assert task.result(TIMEOUT) == 42
    assert (task.done(), task.running(), task.state) == (True, False, "done")
    assert task.where() == "a"
    assert task.name == "add"


def test_closures_and_lambdas_travel_by_value(nodes: Nodes) -> None:
    offset = 5
    assert nodes.submit(lambda x: x + offset, 1).result(TIMEOUT) == 6


def test_an_exception_comes_as_itself_with_the_remote_traceback(nodes: Nodes) -> None:
    task = nodes.submit(programs.fail, "broken")
    with pytest.raises(ValueError, match="broken") as caught:
        task.result(TIMEOUT)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    remote = str(caught.value.__cause__)
    assert "KeyError: 'cause'" in remote
    assert "direct cause" in remote
    assert remote.index("programs.py") < remote.index("ValueError: broken")
    assert "runner.py" not in remote
    assert task.state == "failed"


def test_a_result_that_cannot_travel(nodes: Nodes) -> None:
    with pytest.raises(TaskFailed, match=r"the result of socket .*: result \(socket.socket\)"):
        nodes.submit(socket.socket).result(TIMEOUT)
    with pytest.raises(TaskFailed) as caught:
        nodes.submit(programs.opens).result(TIMEOUT)
    assert "the result of opens (" in str(caught.value)
    assert caught.value.data["variable"] == "result['sockets'][0]"
    remote = str(caught.value.__cause__)
    assert remote.index("programs.py") < remote.index("in opens") < remote.index("def opens(")
    assert "NotMigratable: result['sockets'][0] (socket.socket): a socket" in remote


def test_an_exception_that_cannot_travel(nodes: Nodes) -> None:
    with pytest.raises(TaskFailed, match=r"exception.connection \(socket.socket\)") as caught:
        nodes.submit(programs.fails_with_a_socket).result(TIMEOUT)
    assert "fails_with_a_socket" in str(caught.value)
    assert "ConnectionError: lost it" in str(caught.value)
    assert "ConnectionError: lost it" in str(caught.value.__cause__)


def test_an_argument_that_cannot_travel_is_named(nodes: Nodes) -> None:
    with pytest.raises(NotMigratable, match=r"args\[0\]"):
        nodes.submit(programs.add, sys.flags)


def test_an_argument_that_the_node_cannot_rebuild(nodes: Nodes) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return int, ("no number",)

    with pytest.raises(hetmig.HetmigError, match="no number"):
        nodes.submit(programs.add, Trap()).result(TIMEOUT)


def test_callbacks_and_waiting(nodes: Nodes) -> None:
    called = threading.Event()
    tasks = [nodes.submit(programs.add, i) for i in range(5)]
    tasks[0].add_done_callback(lambda task: called.set())
    done, _ = concurrent.futures.wait(tasks, TIMEOUT)
    assert sorted(task.result() for task in done) == [1, 2, 3, 4, 5]
    assert called.wait(TIMEOUT)


def test_output_comes_before_the_result(nodes: Nodes) -> None:
    seen: list[tuple[str, str]] = []
    task = nodes.submit(programs.identify)
    task.add_output_callback(lambda stream, text: seen.append((stream, text)))
    assert task.result(TIMEOUT) != os.getpid()
    assert seen == [("stdout", "here I am\n")]


def test_output_is_echoed_by_default(
    cluster: LocalNodes, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(cluster[0], keys=cluster.keys) as nodes:
        nodes.submit(programs.identify).result(TIMEOUT)
    assert capfd.readouterr().out == "here I am\n"


def test_a_callback_may_use_the_connection(nodes: Nodes) -> None:
    asked: list[str] = []
    task = nodes.submit(programs.identify)
    task.add_output_callback(lambda stream, text: asked.append(task.where()))
    task.result(TIMEOUT)
    assert asked == ["a"]


def test_progress(nodes: Nodes) -> None:
    seen: list[tuple[float, float | None, str]] = []
    task = nodes.submit(programs.report, 20)
    task.add_progress_callback(lambda *progress: seen.append(progress))
    task.result(TIMEOUT)
    assert task.progress() == (20, 20, "step 20")
    assert seen == sorted(seen)


def test_outside_a_task() -> None:
    assert hetmig.here() is None
    hetmig.progress(1, 2)
    with pytest.raises(hetmig.HetmigError, match="not a task"):
        hetmig.migrate("b")


def test_the_task_sees_a_sane_process(nodes: Nodes) -> None:
    assert nodes.submit(programs.read_input).result(TIMEOUT) == ("", [""], "__main__")


def test_a_forked_child_does_not_end_the_task(nodes: Nodes) -> None:
    seen: list[str] = []
    task = nodes.submit(programs.fork_and_return)
    task.add_output_callback(lambda stream, text: seen.append(text))
    assert task.result(TIMEOUT) == (True, 7)
    assert seen == ["child\n"]


def test_cancel(nodes: Nodes) -> None:
    task = nodes.submit(programs.loop_for_ever)
    assert task.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        task.result(TIMEOUT)
    assert next(info.state for info in nodes.tasks() if info.id == task.id) == "cancelled"


def test_cancel_comes_too_late(nodes: Nodes) -> None:
    task = nodes.submit(programs.add, 1)
    task.result(TIMEOUT)
    assert not task.cancel()


def test_tasks_and_nodes(nodes: Nodes) -> None:
    task = nodes.submit(programs.report, 3)
    task.result(TIMEOUT)
    [info] = [info for info in nodes.tasks() if info.id == task.id]
    assert (info.name, info.state, info.node, info.hops) == ("report", "done", "a", 0)
    [node] = nodes.nodes()
    assert (node.name, node.reachable, node.draining) == ("a", True, False)
    assert node.python is not None
    assert node.python["implementation"] == "cpython"


def test_a_task_is_taken_up_by_its_id(cluster: LocalNodes, nodes: Nodes) -> None:
    task = nodes.submit(programs.identify)
    with connect(cluster[0], keys=cluster.keys, echo=False) as later:
        again = later.task(task.id)
        seen: list[str] = []
        again.add_output_callback(lambda stream, text: seen.append(text))
        assert again.result(TIMEOUT) == task.result(TIMEOUT)
        assert seen == ["here I am\n"]
        with pytest.raises(TaskLost):
            later.task("unknown")


def test_closing_gives_up_waiting_but_not_the_task(cluster: LocalNodes) -> None:
    with connect(cluster[0], keys=cluster.keys, echo=False) as nodes:
        task = nodes.submit(programs.loop_for_ever)
    with pytest.raises(hetmig.HetmigError, match="goes on"):
        task.result(TIMEOUT)
    with connect(cluster[0], keys=cluster.keys, echo=False) as nodes:
        assert nodes.task(task.id).cancel()


def test_nobody_listens(cluster: LocalNodes) -> None:
    with pytest.raises(NodeUnreachable):
        connect("tcp://127.0.0.1:1", keys=cluster.keys, timeout=0.3)


def test_a_marked_function_is_the_same_function() -> None:
    def plain() -> None: ...

    code = plain.__code__
    assert hetmig.migratable(plain) is plain
    assert hetmig.migratable(every=30)(plain) is plain
    assert plain.__code__ is code
