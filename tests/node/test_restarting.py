"""A node is given up: its tasks go on at home from their checkpoints, and its copies are void."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hetmig.client import Nodes, Task, connect
from hetmig.errors import TaskLost
from hetmig.node.embedded import LocalNodes
from tests.node.crashes import TIMEOUT, until

WaitFor = Callable[[Task, str], str]


def counts(go: str) -> tuple[list[int], str]:
    """Say which process it is in, again and again, until the file `go` is there."""
    import os

    import hetmig

    done, process = [], 0
    while not os.path.exists(go):
        done.append(len(done))
        if process != os.getpid():
            process = os.getpid()
            print("process", process, "from", len(done), flush=True)
        time.sleep(0.01)
    return done, hetmig.here()


def written(task: Task) -> str:
    return "".join(piece for _, piece in task._heard.written)


def processes(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("process")]


@pytest.mark.parametrize("journal", [False, True])
def test_a_task_goes_on_at_home_and_the_copy_that_comes_back_ends(
    journal: bool, tmp_path: Path, wait_for: WaitFor
) -> None:
    state = tmp_path / "state" if journal else None
    with LocalNodes(2, patience=1.0, state=state) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(counts, str(go))
            wait_for(task, "process")
            task.migrate("b")
            until(lambda: len(processes(written(task))) == 2)
            away = os.pidfd_open(processes(written(task))[1])
            task.checkpoint()
            os.kill(nodes[1].pid, signal.SIGSTOP)
            until(lambda: task.where() == "a")
            os.kill(nodes[1].pid, signal.SIGCONT)
            assert select.select([away], [], [], TIMEOUT)[0], "the void copy goes on"
            os.close(away)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert rounds == list(range(len(rounds)))
            assert where == "a"


def test_without_a_checkpoint_it_is_lost(tmp_path: Path, wait_for: WaitFor) -> None:
    with LocalNodes(2, patience=1.0) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            task = connection.submit(counts, str(tmp_path / "go"))
            wait_for(task, "process")
            task.migrate("b")
            nodes[1].kill()
            with pytest.raises(TaskLost, match="node b does not answer"):
                task.result(TIMEOUT)


def test_a_restart_outlives_its_home_node(tmp_path: Path, wait_for: WaitFor) -> None:
    """The home node is killed after it has restarted a task: it remembers the fence."""
    with LocalNodes(2, patience=1.0, state=tmp_path / "state") as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(counts, str(go))
            wait_for(task, "process")
            task.migrate("b")
            task.checkpoint()
            nodes[1].kill()
            until(lambda: task.where() == "a")
            nodes[0].kill()
            nodes[0].start()
            nodes[0].wait_until_ready()
            nodes[1].start()
            nodes[1].wait_until_ready()
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert rounds == list(range(len(rounds)))
            assert where == "a"


@pytest.mark.parametrize("to", [None, "b"])
def test_a_runner_that_hangs_is_noticed_and_so_is_its_recovery(
    to: str | None, nodes: Nodes, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    task = nodes.submit(counts, str(go))
    if to is not None:
        task.migrate(to)
    until(lambda: len(processes(written(task))) >= (1 if to is None else 2))
    runner = processes(written(task))[-1]
    os.kill(runner, signal.SIGSTOP)
    until(lambda: task.state == "unresponsive")
    os.kill(runner, signal.SIGCONT)
    until(lambda: task.state == "running")
    go.touch()
    rounds, _ = task.result(TIMEOUT)
    assert rounds == list(range(len(rounds)))
