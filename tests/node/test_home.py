"""The home node's record of a task: the same whatever the way of the reports, and bounded."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hetmig.node import home, transcript
from hetmig.node.home import Home
from hetmig.node.journal import Journal
from hetmig.node.record import Record

HERE = {"name": "a", "endpoint": "tcp://127.0.0.1:1", "key": "k"}
THERE = {**HERE, "name": "b"}


def about(task: str = "t") -> dict[str, Any]:
    return {"id": task, "name": "job", "home": HERE, "epoch": 1}


def output(number: int, text: bytes) -> tuple[dict[str, Any], list[bytes]]:
    header = {"task": "t", "epoch": 1, "what": "output", "n": number, "stream": "stdout"}
    return header, [text]


def end(number: int, *, hops: int = 0, result: bytes = b"result") -> tuple[Any, list[bytes]]:
    header = {"task": "t", "epoch": 1, "what": "end", "n": number, "hops": hops}
    return {**header, "ok": True, "traceback": "", "python": {}}, [result]


@pytest.fixture
def record() -> Record:
    return Record(about(), HERE)


def text_of(record: Record, after: int = 0) -> bytes:
    return b"".join(data for *_, data in record.output.after(after))


def test_output_out_of_order_and_twice(record: Record) -> None:
    for number in (2, 1, 2, 4, 1, 3):
        record.event(*output(number, b"%d" % number))
    assert text_of(record) == b"1234"


def test_output_nobody_takes_is_bounded(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "KEEP_UNSEEN_BYTES", 1000)
    for number in range(1, 101):
        record.event(*output(number, b"x" * 100))
    assert sum(len(data) for *_, data in record.output.pieces) <= 1000
    (last, stream, note), *rest = record.output.after(0)
    assert (last, stream) == (90, "stderr")
    assert b"9000 bytes" in note
    assert [number for number, *_ in rest] == list(range(91, 101))
    assert record.output.after(95) == rest[5:]


def test_output_the_submitter_has_seen_is_no_loss(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript, "KEEP_UNSEEN_BYTES", 1000)
    for number in range(1, 101):
        record.event(*output(number, b"x" * 100))
        record.output.seen(number)
    assert b"gone" not in text_of(record)


def test_the_end_waits_for_the_hops(record: Record) -> None:
    record.event(*end(1, hops=1))
    assert record.outcome is None
    record.hop({"epoch": 2})
    assert record.outcome is not None
    assert record.outcome.ok


def test_who_hears_of_a_hop_knows_where_the_task_is() -> None:
    """Its destination may be cut off from home, while its source is not and says it has gone."""
    node = Home(Journal())
    record = node.add(about(), HERE)
    hop = {"epoch": 2, "place": THERE}
    node.report({"task": "t", "epoch": 2, "what": "hop", "hop": hop}, [])
    assert record.place == THERE
    assert record.epoch == 2


def test_an_end_whose_hop_died_with_its_node_is_still_the_end(record: Record) -> None:
    record.arrived(2, THERE)
    record.event(*end(1, hops=1))
    record.fail("lost", home.TaskLost("node b does not know the task any more"))
    assert record.outcome is not None
    assert (record.state, record.outcome.frames) == ("done", [b"result"])


def test_an_end_after_output_that_died_with_its_node(record: Record) -> None:
    record.event(*output(1, b"first"))
    record.event(*output(3, b" third"))
    record.event(*end(4, hops=1))
    record.fail("lost", home.TaskLost("node b does not know the task any more"))
    assert record.state == "done"
    assert text_of(record) == b"first third"


def test_lost_without_an_end_is_lost(record: Record) -> None:
    record.event(*output(2, b"second"))
    record.fail("lost", home.TaskLost("node b does not answer any more"))
    assert record.state == "lost"


def ended(home_node: Home, task: str, size: int) -> None:
    header, payload = end(1, result=bytes(size))
    home_node.add(about(task), HERE).event({**header, "task": task}, payload)


def test_ended_tasks_are_forgotten_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "_KEEP_ENDED", 3)
    node = Home(Journal())
    running = node.add(about("running"), HERE)
    for index in range(10):
        ended(node, str(index), 1)
    node.add(about("new"), HERE)
    assert list(node.records) == ["running", "7", "8", "9", "new"]
    assert running.outcome is None


def test_ended_tasks_are_forgotten_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "_KEEP_RESULT_BYTES", 1000)
    node = Home(Journal())
    for index in range(10):
        ended(node, str(index), 300)
    node.add(about("new"), HERE)
    assert list(node.records) == ["7", "8", "9", "new"]
    ended(node, "huge", 5000)
    node.add(about("newer"), HERE)
    assert list(node.records) == ["new", "huge", "newer"]


@pytest.mark.parametrize("seed", range(10))
def test_those_live_that_a_look_at_each_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "_KEEP_ENDED", 5)
    chance, node = random.Random(seed), Home(Journal())
    for number in range(300):
        task = str(number)
        match chance.randrange(4):
            case 0:
                ended(node, task, chance.randrange(9))
            case 1:
                node.add(about(task), HERE)
            case 2 if node.records:  # as one whose home is to be another, or this one again
                moved = node.records.pop(chance.choice(list(node.records)))
                if chance.random() < 0.5:
                    node.records[moved.id] = moved
            case 3 if living := node.records.living():
                living[0].fail("lost", home.TaskLost("it is gone"))
        found = node.records.living()
        assert len(found) == len({record.id for record in found})
        assert {r.id for r in found} == {r.id for r in node.records.values() if not r.outcome}
    node.add(about("last"), HERE)
    assert len(node.records) - len(node.records.living()) <= 5


def test_hops_are_told_once_by_who_knows_better(record: Record) -> None:
    python = {"version": "3.11.7", "machine": "x86_64"}
    record.arrived(2, THERE, {"epoch": 2, "source": "a", "freeze_s": 9.0})
    record.hop({"epoch": 3, "source": "b", "source_python": dict(python)})
    assert [hop["epoch"] for hop in record.summary()["hops"]] == [3]
    record.hop({"epoch": 2, "source": "a", "freeze_s": 0.1, "source_python": dict(python)})
    hops = record.summary()["hops"]
    assert [hop.get("freeze_s") for hop in hops] == [0.1, None]
    assert hops[0]["source_python"] is hops[1]["source_python"], "what is alike is kept once"
