"""Whoever has to do with a task finds its new home: clients, references, void copies, rivals."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hetmig.client import Task, connect
from hetmig.errors import HetmigError, MigrationRefused, Unauthorized
from hetmig.node import protocol
from hetmig.node.embedded import LocalNodes
from tests.node import actors
from tests.node.apart import Apart, ask
from tests.node.crashes import TIMEOUT, until
from tests.node.test_rehome import chatters, collected, homes_of, restart, whole
from tests.node.test_restarting import counts, processes, written

WaitFor = Callable[[Task, str], str]
ROOT = str(Path(__file__).parents[2])


@pytest.mark.nightly
def test_a_client_that_nobody_has_told_asks_the_others(tmp_path: Path) -> None:
    """The old home dies before it says a word of it, and stays dead."""
    with LocalNodes(3, state=tmp_path / "state") as nodes:
        nodes[0].kill()
        restart(nodes, "a", "home-gone")
        with (
            connect(nodes[0], keys=nodes.keys, echo=False) as connection,
            connect(nodes[2], keys=nodes.keys, echo=False) as other,
        ):
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            task.migrate("c", timeout=30)
            with pytest.raises(HetmigError):
                other.rehome(task.id, "b", timeout=30)
            assert nodes[0].wait() == -signal.SIGKILL
            until(lambda: homes_of_living(nodes, task.id) == ["b"])
            assert task.checkpoint(timeout=30).task == task.id
            go.touch()
            rounds, _ = task.result(TIMEOUT)
            assert "".join(pieces) == whole(rounds)


def homes_of_living(nodes: LocalNodes, task: str) -> list[str]:
    found = []
    for node in nodes.nodes[1:]:
        with connect(node, keys=nodes.keys, echo=False) as connection:
            found += [i.home for i in connection.tasks() if i.id == task and i.submitted]
    return found


@pytest.mark.nightly
@pytest.mark.parametrize("death", ["home-answer/offer-staged", "home-answer/owned"])
def test_what_is_said_meanwhile_by_a_task_beside_its_record(death: str, tmp_path: Path) -> None:
    """The task runs on the old home, whose record is closed while the new one is down."""
    with LocalNodes(2, state=tmp_path / "state") as nodes:
        nodes[1].kill()
        restart(nodes, "b", death)
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            until(lambda: "5\n" in pieces)
            with pytest.raises(MigrationRefused):
                task.rehome("b", timeout=2)
            nodes[1].wait()
            said = len(pieces)
            restart(nodes, "b")
            until(lambda: len(pieces) > said + 10)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert where == "a"
            assert "".join(pieces) == whole(rounds)
            expected = ["a"] if death.endswith("staged") else ["b"]
            assert homes_of(nodes, task.id) == expected


@pytest.mark.nightly
def test_a_result_that_is_there_already_moves_too() -> None:
    with LocalNodes(2) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            task = connection.submit(sorted, [3, 1, 2])
            assert task.result(TIMEOUT) == [1, 2, 3]
            assert task.rehome("b")
            with connect(nodes[0], keys=nodes.keys, echo=False) as old:
                assert old.task(task.id).result(TIMEOUT) == [1, 2, 3]
            nodes[0].kill()
            with connect(nodes[1], keys=nodes.keys, echo=False) as new:
                assert new.task(task.id).result(TIMEOUT) == [1, 2, 3]


def adds(ledger: Any, kept: Any, go: str) -> list[Any]:
    """Use an actor and an object from within a task, before and after the file is there."""
    import os

    ledger.write("from a task").result()
    print("written", flush=True)
    while not os.path.exists(go):
        pass
    ledger.write("and again").result()
    return [ledger.read().result(), kept.get()]


@pytest.mark.nightly
def test_actors_and_objects_outlive_their_home(tmp_path: Path, wait_for: WaitFor) -> None:
    """References name the old home, which is gone."""
    with LocalNodes(3, path=[ROOT]) as nodes:
        with (
            connect(nodes[0], keys=nodes.keys, echo=False) as connection,
            connect(nodes[1], keys=nodes.keys, echo=False) as other,
        ):
            ledger = connection.spawn(actors.Ledger, "first", at="c")
            kept = connection.put([1, 2, 3], at="c")
            go = tmp_path / "go"
            task = other.submit(adds, ledger, kept, str(go))
            wait_for(task, "written")
            for reference in (ledger, kept):
                assert connection.rehome(reference, "b", timeout=30)
            nodes[0].kill()
            assert ledger.write("second").result(TIMEOUT) == 3
            assert kept.get() == [1, 2, 3]
            go.touch()
            written = ["first", ("from a task",), ("second",), ("and again",)]
            assert task.result(TIMEOUT) == [written, [1, 2, 3]]
            assert ledger.migrate("b", timeout=30).destination == "b"
            assert ledger.read().result(TIMEOUT) == written


@pytest.mark.nightly
def test_the_new_home_restarts_a_task_from_a_checkpoint(tmp_path: Path, wait_for: WaitFor) -> None:
    """It got the key of it along; and it tells a copy from before the move that it is void."""
    with LocalNodes(3, patience=1.0, state=tmp_path / "state") as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(counts, str(go))
            wait_for(task, "process")
            task.migrate("c")
            until(lambda: len(processes(written(task))) == 2)
            away = os.pidfd_open(processes(written(task))[1])
            task.checkpoint()
            assert task.rehome("b", timeout=30)
            nodes[0].kill()
            os.kill(nodes[2].pid, signal.SIGSTOP)
            until(lambda: task.where() == "b")
            os.kill(nodes[2].pid, signal.SIGCONT)
            assert select.select([away], [], [], TIMEOUT)[0], "the void copy goes on"
            os.close(away)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert (rounds, where) == (list(range(len(rounds))), "b")


@pytest.mark.nightly
def test_a_copy_that_was_given_up_by_the_old_home(tmp_path: Path, wait_for: WaitFor) -> None:
    """The new one, of which it has never heard, can prove that it is the home."""
    with LocalNodes(3, patience=1.0, state=tmp_path / "state") as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(counts, str(go))
            wait_for(task, "process")
            task.migrate("c")
            until(lambda: len(processes(written(task))) == 2)
            away = os.pidfd_open(processes(written(task))[1])
            task.checkpoint()
            os.kill(nodes[2].pid, signal.SIGSTOP)
            until(lambda: task.where() == "a")
            task.migrate("b", timeout=30)
            assert task.rehome("b", timeout=30)
            nodes[0].kill()
            os.kill(nodes[2].pid, signal.SIGCONT)
            assert select.select([away], [], [], TIMEOUT)[0], "the void copy goes on"
            os.close(away)
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert (rounds, where) == (list(range(len(rounds))), "b")


@pytest.mark.nightly
def test_while_it_moves_all_the_time(tmp_path: Path) -> None:
    with LocalNodes(3, state=tmp_path / "state") as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            until(lambda: "5\n" in pieces)
            for home, place in [("b", "b"), ("c", "a"), ("a", "c"), ("c", "b")] * 2:
                with ThreadPoolExecutor() as pool:
                    moving = pool.submit(task.migrate, place, 30)
                    assert task.rehome(home, timeout=30)
                    assert moving.result(TIMEOUT).destination == place
            assert homes_of(nodes, task.id) == ["c"]
            nodes[0].kill()
            go.touch()
            rounds, _ = task.result(TIMEOUT)
            assert "".join(pieces) == whole(rounds)
            assert [hop.destination for hop in task.journey()] == list("bacbacb")


# Who may --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    nodes = Apart(tmp_path_factory.mktemp("apart"), "abc")
    yield nodes
    nodes.stop()


def test_the_owner_moves_it_and_nobody_else(
    apart: Apart, tmp_path: Path, wait_for: WaitFor
) -> None:
    alice = apart.user("alice", a="submit", b="submit")
    bob = apart.user("bob", a="submit", b="submit", c="submit")
    go = tmp_path / "go"
    with apart.connect(alice, "a") as nodes, apart.connect(bob, "a") as others:
        task = nodes.submit(chatters, str(go))
        pieces = collected(task)
        task.migrate("c", timeout=30)
        with pytest.raises(Unauthorized):
            others.rehome(task.id, "b")
        with pytest.raises(MigrationRefused, match="does not know the key of the task's owner"):
            task.rehome("c")
        assert task.rehome("b", timeout=30)
        with pytest.raises(Unauthorized):
            others.rehome(task.id, "a")
        assert task.migrate("b", timeout=30).destination == "b"
        assert task.migrate("a", timeout=30).destination == "a"
        go.touch()
        rounds, _ = task.result(TIMEOUT)
        assert "".join(pieces) == whole(rounds)


def test_a_node_that_is_not_the_home_can_claim_nothing(
    apart: Apart, tmp_path: Path, wait_for: WaitFor
) -> None:
    """Though it has had the task itself."""
    carol = apart.user("carol", a="submit", b="submit")
    go = tmp_path / "go"
    with apart.connect(carol, "a") as nodes:
        task = nodes.submit(chatters, str(go))
        task.migrate("c", timeout=30)
        task.migrate("b", timeout=30)
        with apart.raw(apart.rings["c"], "b") as dealer:
            home = apart.nodes["c"].place
            for shown in ([], ["", "0" * 32]):
                header = {"id": 1, "task": task.id, "home": home, "term": 99, "deed": "d"}
                told = ask(dealer, protocol.REHOMED, {**header, "shown": shown}, until=1)
                assert told[-1][1]["error"]["type"] == "Unauthorized"
            note = {"id": 2, "task": task.id, "epoch": 2, "note": "offer", "source": home}
            told = ask(dealer, protocol.RECORD, note, b"{}", b"", until=2)
            assert told[-1][0] == "error"
        assert task.rehome("b", timeout=30)
        go.touch()
        assert task.result(TIMEOUT)[1] == "b"
