"""asyncio programs move from node to node, and what ties them to one is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hetmig.client import Nodes, Task
from hetmig.errors import NotMigratable
from tests.node import asyncio_tasks as programs

WaitFor = Callable[[Task, str], str]
TIMEOUT = 60


def test_a_sleeper_has_the_rest_of_its_sleep(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.sleeper, 2.0)
    wait_for(task, "asleep")
    for to in "bca":
        assert task.migrate(to).wait_s < 1
    where, slept, passed = task.result(TIMEOUT)
    assert where == "a"
    assert slept == pytest.approx(2.0, abs=0.5)  # the loop's clock stands still on the way
    assert passed >= slept - 0.1


def test_a_coroutine_takes_all_tasks_along(nodes: Nodes) -> None:
    task = nodes.submit(programs.traveller, "b", "c", "a")
    road, seen, names = task.result(TIMEOUT)
    assert road == ["a", "b", "c", "a"]
    assert seen == [(f"worker {n}", n) for n in range(3) for _ in range(2)]
    assert names == ["Task-1", "w0", "w1", "w2"]
    assert len(task.journey()) == 3


def test_a_busy_loop_moves_between_two_callbacks(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.busy, 30_000)
    wait_for(task, "busy")
    task.migrate("b")
    assert task.result(TIMEOUT) == (sum(range(30_000)), {"a", "b"})


def test_what_ties_a_loop_to_its_machine_is_named(nodes: Nodes) -> None:
    unknown, server, transport, handler, reader, executor = nodes.submit(programs.refused).result(
        TIMEOUT
    )
    assert "no node named 'nowhere'" in unknown
    assert "a server listens on file descriptor" in server
    assert "the transport <_SelectorSocketTransport" in transport
    assert "the loop handles SIGUSR1" in handler
    assert "the loop watches file descriptor" in reader
    assert "the thread 'asyncio_0' would stay behind" in executor


def test_a_connection_is_named_at_the_deadline(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.stays_connected)
    wait_for(task, "connected")
    with pytest.raises(NotMigratable, match="the transport <_SelectorSocketTransport") as caught:
        task.migrate("b", timeout=0.5)
    assert caught.value.variable is not None
    assert caught.value.variable.startswith("main.")
    assert task.result(TIMEOUT) == "b"  # what is closed does not tie


def test_a_coroutine_that_does_not_await_is_named(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.computes, 2.0)
    wait_for(task, "computing")
    with pytest.raises(NotMigratable, match=r"task 'Task-1' has not awaited for \d"):
        task.migrate("b", timeout=0.4)
    assert task.result(TIMEOUT) == "a"


def test_one_that_awaits_in_time_moves(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.computes_at_first, 1.0)
    wait_for(task, "computing")
    task.migrate("b", timeout=10)
    assert task.result(TIMEOUT) == "b"


def test_migrate_gives_a_future(nodes: Nodes) -> None:
    assert nodes.submit(programs.through_a_helper).result(TIMEOUT) == ["a", "b", "b", "c", "a"]


def test_idle_threads_of_the_executor_are_not_in_the_way(nodes: Nodes) -> None:
    ended = nodes.submit(programs.uses_threads).result(TIMEOUT)
    assert ended == (True, True, "b", "the thread 'asyncio_0'")


def test_async_generators_are_closed_by_the_loop_there(nodes: Nodes) -> None:
    assert nodes.submit(programs.drops_async_generators, []).result(TIMEOUT) == ["closed on b"]


def test_an_error_after_a_move(nodes: Nodes) -> None:
    with pytest.raises(ValueError, match="on b") as caught:
        nodes.submit(programs.fails_elsewhere).result(TIMEOUT)
    assert "in fails_elsewhere" in str(caught.value.__cause__)


def test_a_plain_function_that_runs_loops_itself(nodes: Nodes) -> None:
    assert nodes.submit(programs.plain, programs.one_hop).result(TIMEOUT) == ("b", "a")


def test_a_script_that_calls_asyncio_run(nodes: Nodes) -> None:
    task = nodes.run_script("script.py", ["b"], source=programs.SCRIPT)
    output: list[str] = []
    task.add_output_callback(lambda stream, text: output.append(text))
    task.result(TIMEOUT)
    assert "".join(output) == "b [0, 1, 4]\nend b\n"
