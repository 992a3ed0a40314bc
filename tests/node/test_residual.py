"""No residual dependency: once a task has left a node, that node may be gone for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from hetmig.client import connect
from hetmig.errors import ProtocolError
from hetmig.node import unreported
from hetmig.node.embedded import LocalNodes
from hetmig.node.protocol import Message
from hetmig.node.unreported import Report

TIMEOUT = 60
HOPS = 5


def chatters(last: str, go: str) -> tuple[int, str]:
    """Say each round where it is, until it is at the last node and the file `go` is there."""
    import os
    import time

    import hetmig

    rounds = 0
    while hetmig.here() != last or not os.path.exists(go):
        rounds += 1
        print(rounds, flush=True)
        time.sleep(0.002)
    return rounds, hetmig.here()


@pytest.mark.parametrize("journal", [False, True])
def test_the_source_is_killed_after_each_of_five_hops(journal: bool, tmp_path: Path) -> None:
    """The moment that it says the task has left; what the task wrote and its journey are whole."""
    state = tmp_path / "state" if journal else None
    with LocalNodes(HOPS + 2, state=state) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go, last = tmp_path / "go", nodes[-1].name
            task = connection.submit(chatters, last, str(go))
            pieces: list[str] = []
            task.add_output_callback(lambda stream, text: pieces.append(text))
            task.migrate(nodes[1].name)
            for hop in range(HOPS):
                task.migrate(nodes[hop + 2].name)
                nodes[hop + 1].kill()
            go.touch()
            rounds, where = task.result(TIMEOUT)
            assert where == last
            assert "".join(pieces) == "".join(f"{number}\n" for number in range(1, rounds + 1))
            assert [hop.destination for hop in task.journey()] == [
                node.name for node in nodes.nodes[1:]
            ]


def frozen(*payload: bytes) -> Message:
    return Message("frozen", {}, list(payload))


def test_reports_travel_and_come_out_as_they_were() -> None:
    about = {"id": "t", "name": "job"}
    reports = [
        Report({"task": "t", "what": "output", "epoch": 3, "n": 1}, [b"one", b"two"]),
        Report({"task": "t", "what": "hop", "epoch": 3}, []),
    ]
    message, record = unreported.enclose(frozen(b"state"), about, reports)
    frames, found = unreported.disclose(record, list(message.payload))
    assert frames == [b"state"]
    assert found == reports
    assert record == about


def test_without_reports_nothing_changes() -> None:
    about = {"id": "t"}
    message, record = unreported.enclose(frozen(b"state"), about, [])
    assert (message.payload, record) == ([b"state"], about)
    assert unreported.disclose(record, [b"state"]) == ([b"state"], [])


@pytest.mark.parametrize(
    "described",
    [[["x", 1]], [[{"task": "another", "what": "end", "epoch": 1}, 0]], [[{"task": "t"}, 0]], [1]],
)
def test_reports_of_another_task_are_refused(described: list[object]) -> None:
    message, record = unreported.enclose(
        frozen(b"state"), {"id": "t"}, [Report({"task": "t", "what": "end", "epoch": 1}, [])]
    )
    with pytest.raises(ProtocolError):
        unreported.disclose({**record, "unreported": described}, list(message.payload))
