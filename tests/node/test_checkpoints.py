"""Tasks are kept while they run, and go on from there: by real nodes and processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

import hetmig
from hetmig.client import Nodes, Task, connect
from hetmig.errors import (
    CheckpointFailed,
    HetmigError,
    MigrationRefused,
    NotInTask,
    NotMigratable,
)
from hetmig.node.embedded import LocalNodes
from hetmig.state.checkpoint import names_in
from hetmig.state.stores import store_at
from tests.node.checkpoint_programs import (
    big_and_changing,
    every_so_often,
    fails,
    holds_a_socket,
    keeps_itself,
    until_told,
    waits_with_others,
    writes,
)

Wait = Callable[[Task, str], str]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNodes]:
    kept = tmp_path_factory.mktemp("kept")
    root = str(Path(__file__).parents[2])
    with LocalNodes(2, names=["one", "two"], path=[root], checkpoints=kept) as local:
        yield local


@pytest.fixture
def nodes(pair: LocalNodes) -> Iterator[Nodes]:
    with connect(pair[0], keys=pair.keys, echo=False) as connection:
        yield connection


@pytest.fixture
def other(pair: LocalNodes) -> Iterator[Nodes]:
    with connect(pair[1], keys=pair.keys, echo=False) as connection:
        yield connection


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def printed(task: Task) -> str:
    """All that a task has written which has ended."""
    return "".join(text for _, text in task._heard.written)


def until(task: Task, wanted: Callable[[hetmig.Checkpoint], bool]) -> hetmig.Checkpoint:
    """Wait for a checkpoint such as we want."""
    import queue

    seen: queue.SimpleQueue[hetmig.Checkpoint | None] = queue.SimpleQueue()
    task.add_checkpoint_callback(lambda saved, reason: seen.put(saved))
    if (last := task.last_checkpoint()) is not None:
        seen.put(last)
    while True:
        saved = seen.get(timeout=60)
        if saved is not None and wanted(saved):
            return saved


def test_a_task_is_kept_goes_on_and_goes_on_again_elsewhere(
    nodes: Nodes, other: Nodes, wait_for: Wait, gate: Path, tmp_path: Path
) -> None:
    task = nodes.submit(until_told, str(gate), 100)
    wait_for(task, "begun")
    saved = task.checkpoint(tmp_path / "saved")
    assert task.last_checkpoint() == saved
    assert (saved.task, saved.node, saved.number, saved.portable) == (task.id, "one", 1, True)
    assert saved.function in ("until_told", "exists")  # which it calls in its loop
    assert saved.bytes == os.stat(saved.where).st_size
    assert 0 < saved.freeze_s < saved.total_s
    task.cancel()
    again = other.resume(tmp_path / "saved")
    gate.touch()
    assert again.result(60) == [100, True, 328350]
    assert again.name == "until_told"
    assert printed(again) == "told\n"  # what was written before is not written again


def test_it_can_be_kept_where_it_has_moved_to(
    nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path
) -> None:
    task = nodes.submit(until_told, str(gate), 10)
    wait_for(task, "begun")
    task.migrate("two")
    saved = task.checkpoint(tmp_path / "saved")
    assert (saved.node, saved.epoch) == ("two", task.journey()[-1].epoch)
    assert task.last_checkpoint() == saved
    task.migrate("one")
    later = task.checkpoint(tmp_path / "saved")
    assert (later.node, later.number) == ("one", 2)
    gate.touch()
    again = nodes.resume(saved.where)
    assert task.result(60) == again.result(60) == [10, True, 285]
    assert again.journey() == []


@pytest.mark.parametrize("wait", [False, True])
def test_a_task_keeps_itself(
    nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path, wait: bool
) -> None:
    heard = tmp_path / "heard"
    task = nodes.submit(keeps_itself, str(tmp_path), wait, str(gate), str(heard))
    wait_for(task, "at 1")  # else it would be kept with what nobody has seen yet
    heard.touch()
    result = ["step 0", "step 1", "kept", "step 2"]
    assert until(task, lambda saved: True).number == 1
    gate.touch()
    assert task.result(60) == result
    again = nodes.resume(tmp_path)
    assert again.result(60) == result
    assert printed(again) == "at 2\n"


def test_every_so_often_and_none_stay_after_a_good_end(
    nodes: Nodes, gate: Path, pair: LocalNodes
) -> None:
    task = nodes.submit(every_so_often, str(gate))
    saved = until(task, lambda saved: saved.number >= 5)
    place = store_at(os.path.dirname(saved.where))
    found = names_in(place, task.id)
    assert 1 <= len(found) <= 4  # the last three, and perhaps one that is just being written
    task.migrate("two")
    until(task, lambda saved: saved.node == "two")
    gate.touch()
    assert task.result(60) > 0
    follow_up = nodes.submit(until_told, str(gate), 1)  # whose checkpoint comes behind it all
    assert follow_up.result(60)


@pytest.mark.nightly
def test_of_a_task_that_fails_they_stay(nodes: Nodes, wait_for: Wait, gate: Path) -> None:
    task = nodes.submit(hetmig.migratable(every=0.05)(fails), str(gate))
    until(task, lambda saved: True)
    gate.touch()
    with pytest.raises(ValueError, match="after all"):
        task.result(60)
    saved = task.last_checkpoint()
    assert saved is not None
    with pytest.raises(ValueError, match="after all"):
        nodes.resume(saved.where).result(60)


def test_kept_and_stopped(nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path) -> None:
    task = nodes.submit(until_told, str(gate), 4)
    wait_for(task, "begun")
    task.checkpoint(tmp_path / "saved", stop=True)
    with pytest.raises(CancelledError):
        task.result(60)
    gate.touch()
    again = nodes.resume(tmp_path / "saved")
    assert again.result(60) == [4, True, 14]
    assert printed(again) == "told\n"  # all that was written before was delivered before


def test_a_failed_write_is_named_and_the_task_goes_on(
    nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no directory")
    task = nodes.submit(until_told, str(gate), 4)
    wait_for(task, "begun")
    for stop in (False, True):
        with pytest.raises(CheckpointFailed, match="file"):
            task.checkpoint(tmp_path / "file", stop=stop)
    assert task.last_checkpoint() is None
    gate.touch()
    assert task.result(60) == [4, True, 14]
    with pytest.raises(CheckpointFailed, match="file"):
        nodes.submit(keeps_itself, str(tmp_path / "file"), True).result(60)


def test_what_cannot_be_kept_is_named(nodes: Nodes, wait_for: Wait, gate: Path) -> None:
    task = nodes.submit(holds_a_socket, str(gate))
    wait_for(task, "held")
    with pytest.raises(NotMigratable, match="held"):
        task.checkpoint(timeout=0.5)
    gate.touch()
    assert task.result(60) is None
    with pytest.raises(NotMigratable, match="the task has ended"):
        task.checkpoint()


def test_actors_are_refused_by_name(nodes: Nodes) -> None:
    actor = nodes.spawn(list)
    with pytest.raises(NotMigratable, match="list is no task but an actor"):
        nodes.task(actor.id).checkpoint()
    actor.delete()


def test_files_go_back_to_where_they_were(
    nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out.txt"
    task = nodes.submit(writes, str(file), str(gate))
    wait_for(task, "written")
    saved = task.checkpoint(tmp_path / "saved")
    gate.touch()
    assert task.result(60) == "before\nafter\n"
    assert nodes.resume(saved.where).result(60) == "before\nafter\n"
    file.write_text("another file\n")
    with pytest.raises(MigrationRefused, match="another file"):
        nodes.resume(saved.where).result(60)
    assert file.read_text() == "another file\n"


def test_the_copy_is_of_one_moment(
    nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path
) -> None:
    task = nodes.submit(big_and_changing, str(gate))
    wait_for(task, "begun")
    saved = [task.checkpoint(tmp_path / "saved") for _ in range(3)]
    gate.touch()
    tasks = [task, *(nodes.resume(one.where) for one in saved)]
    assert [one.result(60) for one in tasks] == [1 << 20] * 4


def test_an_asyncio_program(nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path) -> None:
    task = nodes.submit(waits_with_others, str(gate))
    wait_for(task, "begun")
    until(task, lambda saved: True)
    saved = task.checkpoint(tmp_path / "saved")
    gate.touch()
    assert task.result(60) == nodes.resume(saved.where).result(60) == [0, 1, 2]


def test_outside_a_task_it_says_so() -> None:
    with pytest.raises(NotInTask):
        hetmig.checkpoint()
    with pytest.raises(ValueError, match="no time between"):
        hetmig.migratable(every=0)(len)


def test_without_the_key_it_is_refused(
    nodes: Nodes, wait_for: Wait, gate: Path, tmp_path: Path
) -> None:
    task = nodes.submit(until_told, str(gate), 4)
    wait_for(task, "begun")
    saved = task.checkpoint(tmp_path / "saved")
    task.cancel()
    root = str(Path(__file__).parents[2])
    with (
        LocalNodes(1, path=[root]) as local,
        connect(local[0], keys=local.keys, echo=False) as stranger,
    ):
        with pytest.raises(HetmigError, match="not here"):
            stranger.resume(saved.where)
        gate.touch()
        secret = nodes._keyring.directory / "checkpoint.key_secret"
        assert stranger.resume(saved.where, secrets=[secret]).result(60) == [4, True, 14]


@pytest.mark.foreign
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="from 3.11 to another and back")
def test_another_version_of_python_goes_on(
    foreign: Callable[[str], Path], wait_for: Wait, gate: Path, tmp_path: Path
) -> None:
    python = str(foreign("3.14"))
    root = str(Path(__file__).parents[2])
    with (
        LocalNodes(2, python=[None, python], path=[root]) as local,
        connect(local[0], keys=local.keys, echo=False) as here,
        connect(local[1], keys=local.keys, echo=False) as there,
    ):
        task = here.submit(until_told, str(gate), 100)
        wait_for(task, "begun")
        saved = task.checkpoint(tmp_path / "saved", stop=True)
        assert saved.portable
        moved = there.resume(tmp_path / "saved")
        back = moved.checkpoint(tmp_path / "saved", stop=True)
        assert (back.node, back.epoch, back.number) == ("b", 2, 2)
        last = here.resume(tmp_path / "saved")
        gate.touch()
        assert last.result(60) == [100, True, 328350]
