"""Loops divided among nodes: by whom ever asks, whatever happens to loop, parts and nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hetmig.client import Nodes, Task, TaskInfo, connect
from hetmig.errors import DivisionRefused
from hetmig.node.embedded import LocalNodes
from tests.division import loops_at_nodes

TIMEOUT = 60
WaitFor = Callable[[Task, str], str]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalNodes]:
    with LocalNodes(3) as nodes:
        yield nodes


@pytest.fixture
def nodes(cluster: LocalNodes) -> Iterator[Nodes]:
    with connect(cluster[0], keys=cluster.keys, echo=False) as connection:
        yield connection


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "open"


def parts_of(nodes: Nodes, task: Task) -> list[TaskInfo]:
    found = [info for info in nodes.tasks() if info.name.startswith(f"{task.name}, part")]
    return [info for info in found if info.state == "running"]


def test_divided_from_outside(
    nodes: Nodes, cluster: LocalNodes, gate: Path, wait_for: WaitFor
) -> None:
    task = nodes.submit(loops_at_nodes.listed, 20, str(gate))
    wait_for(task, "in the loop")
    others = [cluster[1].name, cluster[2].name]
    gate_keeper = gate.with_suffix(".once")
    assert not gate_keeper.exists()
    import threading

    asked = threading.Thread(target=lambda: divided.append(task.divide(3, others, TIMEOUT)))
    divided: list[int] = []
    asked.start()
    gate.touch()
    asked.join(TIMEOUT)
    out, acc, _ = task.result(TIMEOUT)
    assert out == list(range(20))
    assert acc == sum(x * x for x in range(20))


def test_divided_from_inside(nodes: Nodes, cluster: LocalNodes) -> None:
    task = nodes.submit(loops_at_nodes.divides_itself, 30, 3)
    out, last = task.result(TIMEOUT)
    print("".join(text for _, text in task._written))
    assert [x for x, _ in out] == list(range(30))
    assert last == 29
    assert {where for _, where in out} == {cluster[n].name for n in range(3)}
