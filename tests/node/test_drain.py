"""A node is emptied: who goes where, who waits, and what an interrupted drain leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hetmig.client import Nodes, Task, connect
from hetmig.node.embedded import LocalNodes
from tests.node import drained, programs

ROOT = str(Path(__file__).parents[2])
TIMEOUT = 60
WaitFor = Callable[[Task, str], str]


@pytest.fixture(scope="module")
def trio() -> Iterator[LocalNodes]:
    with LocalNodes(3, names=["old", "one", "two"], path=[ROOT]) as nodes:
        yield nodes


@pytest.fixture
def old(trio: LocalNodes) -> Iterator[Nodes]:
    """Connected to the node that is drained; afterwards all take tasks again."""
    with connect(trio[0], keys=trio.keys, echo=False) as nodes:
        yield nodes
        for task in nodes.tasks():
            if task.state in ("running", "kept"):
                nodes.task(task.id).cancel()
        for name in ("old", "one", "two"):
            nodes.undrain(name)


def fates(report: list[dict[str, Any]]) -> dict[str, tuple[str, str | None]]:
    return {entry["task"]: (entry["fate"], entry["to"]) for entry in report}


def test_tasks_are_spread_over_the_peers(old: Nodes, wait_for: WaitFor) -> None:
    tasks = [old.submit(drained.until_moved) for _ in range(4)]
    for task in tasks:
        wait_for(task, "waiting")
    found = fates(old.drain(timeout=TIMEOUT))
    assert sorted(str(found[task.id][1]) for task in tasks) == ["one", "one", "two", "two"]
    assert [task.result(TIMEOUT) for task in tasks] == [found[task.id][1] for task in tasks]


def test_a_peer_that_is_drained_itself_is_skipped(old: Nodes, wait_for: WaitFor) -> None:
    task = old.submit(drained.until_moved)
    wait_for(task, "waiting")
    assert old.drain("one", TIMEOUT) == []
    assert fates(old.drain(timeout=TIMEOUT)) == {task.id: ("moved", "two")}
    assert task.result(TIMEOUT) == "two"


def test_the_next_peer_is_asked_if_one_refuses(
    old: Nodes, wait_for: WaitFor, tmp_path: Path
) -> None:
    """`two` is asked first, as it has less to do."""
    busy = old.submit(programs.loop_for_ever)
    wait_for(busy, "pid")
    busy.migrate("one")
    task = old.submit(drained.until_moved_but_not_at_first, str(tmp_path / "refused"))
    wait_for(task, "waiting")
    assert fates(old.drain(timeout=TIMEOUT)) == {
        task.id: ("moved", "one"),
        busy.id: ("rehomed", "one"),
    }
    assert task.result(TIMEOUT) == "one"
    assert busy.cancel()


def test_without_a_peer_what_is_elsewhere_is_homeless(wait_for: WaitFor, tmp_path: Path) -> None:
    """The other node is being emptied itself, but a task there can't be captured."""
    with LocalNodes(2, names=["old", "new"], path=[ROOT]) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as old:
            task = old.submit(drained.held_away_from, "old", str(tmp_path / "go"))
            wait_for(task, "waiting")
            task.migrate("new", timeout=TIMEOUT)
            wait_for(task, "held")
            assert fates(old.drain("new", 1.0)) == {task.id: ("stays", None)}
            found = fates(old.drain(timeout=1.0, shutdown=True))
            assert found == {task.id: ("homeless", None)}


def test_what_stays_says_why_it_did_not_move_either() -> None:
    with LocalNodes(1, path=[ROOT]) as nodes, connect(nodes[0], keys=nodes.keys) as only:
        only.spawn(drained.Counter)
        [entry] = only.drain(timeout=4.0)
        assert entry["fate"] == "stays"
        assert entry["reason"].startswith("no other node that takes tasks is known here; and not")
        assert entry["reason"].count("is no task but an actor") == 1


def test_a_task_that_moves_by_itself_meanwhile(old: Nodes) -> None:
    """Whoever is first, it ends up elsewhere, and is reported there."""
    tasks = [old.submit(drained.moves_to, "two") for _ in range(4)]
    found = fates(old.drain(timeout=TIMEOUT))
    for task in tasks:
        assert task.result(TIMEOUT) == "two"
        assert found.get(task.id, ("moved", "two"))[0] in ("moved", "ended")


def test_a_task_that_arrives_meanwhile(trio: LocalNodes, old: Nodes, wait_for: WaitFor) -> None:
    """It is refused, or has been staged before and moves on: either way it is not at `old`."""
    with (
        connect(trio[1], keys=trio.keys, echo=False) as one,
        ThreadPoolExecutor() as pool,
    ):
        task = one.submit(drained.until_away_from, "old")
        wait_for(task, "waiting")
        moving = pool.submit(lambda: task.migrate("old"))
        report = old.drain(timeout=TIMEOUT)
        if moving.exception(TIMEOUT) is None:
            assert fates(report)[task.id][0] in ("moved", "ended")
        assert task.result(TIMEOUT) in ("one", "two")


def test_in_a_c_call_it_waits_for_its_end(old: Nodes, wait_for: WaitFor, tmp_path: Path) -> None:
    """The others do not wait for it."""
    blocked = old.submit(drained.in_a_c_call, str(tmp_path / "fifo"))
    wait_for(blocked, "blocked")
    free = old.submit(drained.until_moved)
    wait_for(free, "waiting")
    with ThreadPoolExecutor() as pool:
        draining = pool.submit(lambda: old.drain(timeout=TIMEOUT))
        assert free.result(TIMEOUT) in ("one", "two")
        assert not draining.done()
        (tmp_path / "fifo").write_text("go on")
        report = draining.result(TIMEOUT)
    assert {fate for fate, _ in fates(report).values()} <= {"moved", "ended"}
    assert blocked.result(TIMEOUT) == "go on"


def test_undo_stops_a_drain_that_is_under_way(
    old: Nodes, wait_for: WaitFor, tmp_path: Path
) -> None:
    """And nothing is checkpointed or stopped by it."""
    task = old.submit(drained.held, str(tmp_path / "go"))
    wait_for(task, "held")
    with ThreadPoolExecutor() as pool:
        draining = pool.submit(lambda: old.drain(timeout=600))
        while not next(node for node in old.nodes() if node.name == "old").draining:
            pass
        old.undrain()
        assert fates(draining.result(TIMEOUT)) == {task.id: ("stays", None)}
    assert old.submit(abs, -2).result(TIMEOUT) == 2
    (tmp_path / "go").touch()
    assert task.result(TIMEOUT) is None


def test_actors_and_objects_stay_in_the_journal_as_they_are(tmp_path: Path) -> None:
    """Without a peer: the calls an actor has had are not forgotten, other than after a crash."""
    with LocalNodes(1, names=["old"], path=[ROOT], state=tmp_path) as local:
        with connect(local[0], keys=local.keys, echo=False) as nodes:
            actor = nodes.spawn(drained.Counter)
            kept = nodes.put({"some": "data"})
            assert [actor.add(n).result(TIMEOUT) for n in (1, 2, 3)] == [1, 3, 6]
            report = nodes.drain(timeout=TIMEOUT, shutdown=True)
            assert {entry["what"]: entry["fate"] for entry in report} == {
                "actor": "kept",
                "object": "kept",
            }
            local[0].wait()
            local[0].start()
            local[0].wait_until_ready()
            assert actor.add(4).result(TIMEOUT) == 10
            assert kept.get() == {"some": "data"}


@pytest.mark.nightly
def test_a_drained_home_with_a_journal_comes_back_with_the_results(
    tmp_path: Path, wait_for: WaitFor
) -> None:
    go = tmp_path / "go"
    with LocalNodes(2, names=["old", "one"], path=[ROOT], state=tmp_path / "state") as local:
        with connect(local[0], keys=local.keys, echo=False) as nodes:
            done, task = nodes.submit(abs, -5), nodes.submit(drained.count, str(go))
            wait_for(task, "counting")
            assert done.result(TIMEOUT) == 5
            report = nodes.drain(timeout=TIMEOUT, shutdown=True)
            assert fates(report) == {task.id: ("moved", "one")}
            local[0].wait()
            go.touch()
            local[0].start()
            local[0].wait_until_ready()
            local[0].introduce([local[1].place])
            rounds, total = task.result(TIMEOUT)
            assert total == rounds * (rounds + 1) // 2
            assert nodes.task(done.id).result(TIMEOUT) == 5
