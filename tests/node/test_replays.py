"""Notes and parcels that were recorded are worth nothing a second time, there or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hetmig.client import Nodes, Task
from hetmig.errors import HetmigError
from hetmig.node import protocol
from hetmig.node.caller import RUN
from hetmig.node.keys import Keyring
from hetmig.state.parcel import peek, read_file
from tests.node import programs
from tests.node.apart import Apart, ask

TIMEOUT = 60


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    directory = tmp_path_factory.mktemp("keys")
    nodes = Apart(directory, "abc", keep_parcels=directory / "parcels")
    yield nodes
    nodes.stop()


@pytest.fixture(scope="module")
def moved(apart: Apart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A task that has gone from a to b, and the parcel in which it did."""
    stop = tmp_path_factory.mktemp("stop") / "stop"
    with apart.connect(apart.user("user", a="submit"), "a") as nodes:
        task = nodes.submit(programs.count_until, str(stop))
        hop = task.migrate("b", timeout=30)
        wire = recorded(apart, task)
        yield {"task": task, "epoch": hop.epoch, "wire": wire, "stop": stop, "nodes": nodes}


def recorded(apart: Apart, task: Task) -> list[bytes]:
    """Written by a thread of the node, so it may not be there at once."""
    folder = apart.keep_parcels
    assert folder is not None
    while not (files := list(folder.glob(f"*{task.id}*.parcel"))):
        pass
    return [bytes(frame) for frame in read_file(files[0])]


def replay(
    apart: Apart, by: Keyring, at: str, kind: str, moved: dict[str, Any], *wire: bytes
) -> list[tuple[str, dict[str, Any]]]:
    """What a node answers to the note, before the answer to a question asked after it."""
    place = apart.nodes["a"].place
    header = {"task": moved["task"].id, "epoch": moved["epoch"], "source": place}
    with apart.raw(by, at) as dealer:
        dealer.send_multipart([kind.encode(), json.dumps(header).encode(), *wire])
        about = {"id": 1 << 40, "protocol": protocol.VERSION, "role": "client"}
        *told, _ = ask(dealer, protocol.HELLO, about, until=1 << 40)
        if kind == "offer" and at != "b" and not told:  # staging takes a moment
            assert dealer.poll(TIMEOUT * 1000)
            answer, text, *_ = dealer.recv_multipart()
            told.append((answer.decode(), json.loads(text)))
        return told


def test_the_parcel_is_the_recorded_one(moved: dict[str, Any]) -> None:
    about = peek(moved["wire"]).manifest["task"]
    assert (about["id"], about["epoch"]) == (moved["task"].id, moved["epoch"])


def test_to_the_same_node(apart: Apart, moved: dict[str, Any]) -> None:
    """It has that epoch already: nothing is staged, and COMMIT starts nothing."""
    source = apart.rings["a"]
    for _ in range(3):
        assert replay(apart, source, "b", "offer", moved, *moved["wire"]) == []
        told = replay(apart, source, "b", "commit", moved)
        assert [kind for kind, _ in told] == ["owned"]
    assert replay(apart, source, "b", "abort", moved) == []


def test_to_another_node(apart: Apart, moved: dict[str, Any]) -> None:
    """It was sealed with a key that only the two knew."""
    told = replay(apart, apart.rings["a"], "c", "offer", moved, *moved["wire"])
    assert [kind for kind, _ in told] == ["refused"]
    assert told[0][1]["error"]["type"] == "ForgedParcel"
    told = replay(apart, apart.rings["a"], "c", "commit", moved)
    assert [kind for kind, _ in told] == ["lost"]


def test_under_another_session(apart: Apart, moved: dict[str, Any]) -> None:
    """Another node's key: it has no part in this handoff, and in a new one another session key."""
    told = replay(apart, apart.rings["c"], "b", "offer", moved, *moved["wire"])
    assert told[0][1]["error"]["type"] == "Unauthorized"
    for kind in ("commit", "abort"):
        told = replay(apart, apart.rings["c"], "b", kind, moved)
        assert told[0][1]["error"]["type"] == "Unauthorized", kind
    later = {**moved, "epoch": moved["epoch"] + 100}
    told = replay(apart, apart.rings["c"], "b", "offer", later, *moved["wire"])
    assert [kind for kind, _ in told] == ["refused"]


def test_the_answers_of_a_third_node(apart: Apart, moved: dict[str, Any]) -> None:
    """To the source, that the task is staged, owned or lost somewhere else."""
    for kind in ("offer-staged", "owned", "lost", "refused"):
        told = replay(apart, apart.rings["c"], "a", kind, moved)
        assert told[0][1]["error"]["type"] == "Unauthorized", kind


def test_a_key_that_was_withdrawn_and_given_again(apart: Apart) -> None:
    """What was sealed before is of another session."""
    ring = apart.user("again", a="submit")
    sessions = []
    for _ in range(2):
        with apart.connect(ring, "a") as nodes:
            sessions.append(nodes._connection.link.peer["session"])
            apart.rings["a"].remove("again")
            with pytest.raises(HetmigError, match="no longer"):
                nodes.tasks()
            apart.user("again", a="submit")
    assert len(set(sessions)) == 2


def test_a_recorded_submission(apart: Apart, moved: dict[str, Any]) -> None:
    """The same parcel from the same user is the same task, and not another one."""
    nodes: Nodes = moved["nodes"]
    before = {info.id for info in nodes.tasks()}
    calls: list[Callable[[], Any]] = []
    link = nodes._connection.link
    real = link.post

    def record(kind: str, header: dict[str, Any], payload: Any = ()) -> None:
        if kind == protocol.SUBMIT:
            frames = [bytes(frame) for frame in payload]
            calls.append(lambda: link.request(kind, {}, frames, timeout=20.0))
        real(kind, header, payload)

    link.post = record  # type: ignore[method-assign]
    try:
        task = nodes.submit(programs.add, 1)
        assert task.result(TIMEOUT) == 2
        for call in calls[:1] * 3:
            assert nodes._call(call()).header["task"] == task.id
    finally:
        link.post = real  # type: ignore[method-assign]
    assert {info.id for info in nodes.tasks()} == before | {task.id}


def test_at_the_end_the_task_has_run_once(apart: Apart, moved: dict[str, Any]) -> None:
    Path(moved["stop"]).write_text("")
    count, total = moved["task"].result(TIMEOUT)
    assert total == count * (count - 1) // 2
    assert [hop.destination for hop in moved["task"].journey()] == ["b"]
    assert RUN in apart.rings["b"].rights(apart.rings["a"].identity.public)
    assert replay(apart, apart.rings["a"], "b", "offer", moved, *moved["wire"]) == []
