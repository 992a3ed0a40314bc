"""A warm copy takes over when the task's node is lost: nothing is lost, and nothing comes twice.

python -m pytest -m "nightly or not nightly" tests/node/test_replicas.py
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import hetmig
from hetmig.client import Nodes, Task, connect
from hetmig.errors import MigrationRefused, NotMigratable, TaskLost
from hetmig.node.embedded import LocalNodes
from tests.node import actors
from tests.node.crashes import TIMEOUT, until
from tests.node.test_rehome import chatters, collected, homes_of, restart, whole
from tests.node.test_restarting import counts, processes, written

WaitFor = Callable[[Task, str], str]
OFTEN = 0.1
RARELY = 1000.0
MORE = [(False, "c"), (False, "a"), (True, "a")]


def state_at(nodes: LocalNodes, index: int, task: str) -> list[str]:
    with connect(nodes[index], keys=nodes.keys, echo=False) as connection:
        return [info.state for info in connection.tasks() if info.id == task]


def copy_time(task: Task) -> float:
    return task.info().replicated or 0.0


@pytest.mark.parametrize(
    ("journal", "at"),
    [
        (True, "c"),
        *(pytest.param(*case, marks=pytest.mark.nightly) for case in MORE),
    ],
)
def test_the_node_of_a_task_is_killed(
    journal: bool, at: str, tmp_path: Path, wait_for: WaitFor
) -> None:
    """The replica is at home, or at a third node; it goes on from the newest copy."""
    state = tmp_path / "state" if journal else None
    with LocalNodes(3, patience=1.0, state=state) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            task.migrate("b", timeout=30)
            replica = task.replicate(at, every=OFTEN)
            assert replica is not None
            assert (replica.node, replica.warm) == (at, True)
            before = copy_time(task)
            until(lambda: copy_time(task) > before)
            nodes[1].kill()
            until(lambda: task.where() == at)
            said = len(pieces)
            until(lambda: len(pieces) > said + 10)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert where == at
            assert "".join(pieces) == whole(rounds)
            assert task.info().replica is None


@pytest.mark.nightly
def test_the_copy_of_before_is_void(tmp_path: Path, wait_for: WaitFor) -> None:
    """The node was silent only, and is back: no two of them go on."""
    with LocalNodes(3, patience=1.0) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(counts, str(go))
            wait_for(task, "process")
            task.migrate("b")
            until(lambda: len(processes(written(task))) == 2)
            away = os.pidfd_open(processes(written(task))[1])
            task.replicate("c", every=RARELY)
            os.kill(nodes[1].pid, signal.SIGSTOP)
            until(lambda: task.where() == "c")
            os.kill(nodes[1].pid, signal.SIGCONT)
            assert select.select([away], [], [], TIMEOUT)[0], "the void copy goes on"
            os.close(away)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert (rounds, where) == (list(range(len(rounds))), "c")


@pytest.mark.nightly
@pytest.mark.parametrize("newer", ["checkpoint", "replica"])
def test_the_newest_state_wins(newer: str, tmp_path: Path) -> None:
    with LocalNodes(3, patience=1.0) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            task.migrate("b", timeout=30)
            if newer == "checkpoint":
                task.replicate("c", every=RARELY)
            task.checkpoint(timeout=30)
            if newer == "replica":
                task.replicate("c", every=RARELY)
            nodes[1].kill()
            expected = "a" if newer == "checkpoint" else "c"
            until(lambda: task.where() == expected)
            go.touch()
            assert task.result(TIMEOUT)[1] == expected


@pytest.mark.nightly
def test_the_replica_is_lost_as_well(tmp_path: Path) -> None:
    """There is an older checkpoint; without one the task is lost."""
    with LocalNodes(3, patience=1.0) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task, other = (connection.submit(chatters, str(go)) for _ in range(2))
            for each in (task, other):
                each.migrate("b", timeout=30)
            task.checkpoint(timeout=30)
            for each in (task, other):
                each.replicate("c", every=RARELY)
            nodes[2].kill()
            nodes[1].kill()
            until(lambda: task.where() == "a")
            go.touch()
            assert task.result(TIMEOUT)[1] == "a"
            with pytest.raises(TaskLost):
                other.result(TIMEOUT)


@pytest.mark.nightly
def test_the_node_of_the_replica_dies_as_it_takes_over(tmp_path: Path) -> None:
    """It has been told, and may have begun: its copy is void when it is back."""
    with LocalNodes(3, patience=2.0, state=tmp_path / "state") as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            task.migrate("b", timeout=30)
            task.checkpoint(timeout=30)
            nodes[2].kill()
            restart(nodes, "c", "image-written")
            task.replicate("c", every=RARELY)
            nodes[1].kill()
            assert nodes[2].wait() == -signal.SIGKILL
            until(lambda: task.where() == "a")
            said = len(pieces)
            restart(nodes, "c")
            until(lambda: len(pieces) > said + 10)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert where == "a"
            assert "".join(pieces) == whole(rounds)


@pytest.mark.nightly
@pytest.mark.parametrize(("victim", "death"), [(0, "replica-decided"), (2, "replica-taken")])
def test_who_decides_or_takes_over_is_killed_and_comes_back(
    victim: int, death: str, tmp_path: Path
) -> None:
    """It goes on at the replica's node, once."""
    with LocalNodes(3, patience=1.0 if victim == 0 else 10.0, state=tmp_path / "state") as nodes:
        nodes[victim].kill()
        restart(nodes, "abc"[victim], death)
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            task.migrate("b", timeout=30)
            task.replicate("c", every=RARELY)
            nodes[1].kill()
            assert nodes[victim].wait() == -signal.SIGKILL
            said = len(pieces)
            restart(nodes, "abc"[victim])
            until(lambda: len(pieces) > said + 10)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert where == "c"
            assert "".join(pieces) == whole(rounds)


@pytest.mark.nightly
def test_it_is_dropped_when_nobody_needs_it(nodes: Nodes, cluster: LocalNodes) -> None:
    """The task ends, is cancelled, moves there, or says so; and moves elsewhere with it."""
    ended, cancelled, moved, told = (nodes.submit(loops_until_moved, "nowhere") for _ in range(4))
    tasks = ended, cancelled, moved, told
    for task in tasks:
        task.replicate("c", every=OFTEN)
        assert state_at(cluster, 2, task.id) == ["replica"]
        assert task.info().replica == "c"
    ended.cancel()
    cancelled.migrate("b", timeout=30)
    before = copy_time(cancelled)
    until(lambda: copy_time(cancelled) > before)  # from there, too
    cancelled.cancel()
    moved.migrate("c", timeout=30)
    assert told.replicate(None) is None
    for task in (ended, cancelled, told):
        until(lambda: state_at(cluster, 2, task.id) == [])  # noqa: B023
    assert state_at(cluster, 2, moved.id) == ["running"]
    assert [task.info().replica for task in (moved, told)] == [None, None]
    moved.migrate("a", timeout=30)
    until(lambda: state_at(cluster, 2, moved.id) == ["replica"])
    for task in (moved, told):
        assert task.cancel()


def loops_until_moved(name: str) -> str | None:
    while hetmig.here() != name:
        pass
    return hetmig.here()


def test_what_can_have_none(nodes: Nodes) -> None:
    ledger = nodes.spawn(actors.Ledger, "first")
    with pytest.raises(NotMigratable, match="answered calls since"):
        nodes.task(ledger.id).replicate("b")
    ledger.delete()
    task = nodes.submit(loops_until_moved, "nowhere")
    with pytest.raises(NotMigratable, match="on a itself"):
        task.replicate("a")
    task.cancel()


def appends(path: str, go: str) -> int:
    """A line per round in a file that it keeps open."""
    import os
    import time

    rounds = 0
    with hetmig.open(path, "w") as file:
        while not os.path.exists(go):
            rounds += 1
            print(rounds, file=file, flush=True)
            time.sleep(0.002)
    return rounds


@pytest.mark.nightly
def test_a_file_that_the_task_still_writes_is_left_alone(tmp_path: Path) -> None:
    """The copy is put together when it takes over: then what was written since is cut off."""
    with LocalNodes(3, patience=1.0) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go, file = tmp_path / "go", tmp_path / "lines"
            task = connection.submit(appends, str(file), str(go))
            task.migrate("b", timeout=30)
            replica = task.replicate("c", every=OFTEN)
            assert replica is not None
            assert not replica.warm
            before = copy_time(task)
            until(lambda: copy_time(task) > before)
            nodes[1].kill()
            until(lambda: task.where() == "c")
            go.touch()
            rounds = task.result(TIMEOUT)
            assert file.read_text("utf-8") == whole(rounds)


# The home is lost as well ---------------------------------------------------------------------


@pytest.mark.nightly
def test_a_person_takes_over(tmp_path: Path) -> None:
    """Home and task were on one machine; it comes back, and its copy is void."""
    with LocalNodes(3, patience=1.0, state=tmp_path / "state") as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            until(lambda: "5\n" in pieces)
            task.replicate("b", every=OFTEN)
            before = copy_time(task)
            until(lambda: copy_time(task) > before + 2)  # and the home has left its will
            with connect(nodes[1], keys=nodes.keys, echo=False) as other:
                with pytest.raises(MigrationRefused, match="the home of the task, a, answers"):
                    other.takeover(task.id)
                nodes[0].kill()
                until(lambda: state_at(nodes, 1, task.id) == ["replica"])
                taken = other.takeover(task.id)
                assert taken.where() == "b"
                said = collected(taken)
                until(lambda: len(said) > 10)
                restart(nodes, "a")
                until(lambda: homes_of(nodes, task.id) == ["b"])
                go.touch()
                rounds, where = taken.result(TIMEOUT)
                assert where == "b"
                assert task.result(TIMEOUT)[0] == rounds
                assert "".join(pieces) == whole(rounds)
