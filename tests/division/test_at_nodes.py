"""Loops divided among nodes: whoever asks, and whatever happens to loop, parts and nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import hetmig
from hetmig.cli import main
from hetmig.client import Nodes, Task, TaskInfo, connect
from hetmig.errors import DivisionRefused
from hetmig.node.embedded import LocalNodes
from hetmig.state import registry
from tests.division import loops_at_nodes
from tests.interpreters import ROOT

TIMEOUT = 60
WaitFor = Callable[[Task, str], str]


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "open"


def parts_of(nodes: Nodes, task: Task, state: str = "running") -> list[TaskInfo]:
    found = [info for info in nodes.tasks() if info.name.startswith(f"{task.name}, part")]
    return [info for info in found if info.state == state]


def begun(nodes: Nodes, gate: Path, wait_for: WaitFor, to: list[str], parts: int = 3) -> Task:
    task = nodes.submit(loops_at_nodes.listed, 20, str(gate))
    wait_for(task, "in the loop")
    assert task.divide(parts, to, TIMEOUT) == parts
    return task


def require_right(task: Task) -> None:
    out, acc, _ = task.result(TIMEOUT)
    assert out == list(range(20))
    assert acc == sum(x * x for x in range(20))
    said = "".join(text for stream, text in task._heard.written if stream == "stdout")
    assert [line for line in said.splitlines() if "did" in line] == [f"did {x}" for x in range(20)]


def notes(task: Task) -> str:
    return "".join(text for stream, text in task._heard.written if stream == "stderr")


def test_from_outside(nodes: Nodes, cluster: LocalNodes, gate: Path, wait_for: WaitFor) -> None:
    task = begun(nodes, gate, wait_for, [cluster[1].name, cluster[2].name])
    names = [info.name for info in parts_of(nodes, task)]
    assert sorted(names) == ["listed, part 2", "listed, part 3"]
    gate.touch()
    require_right(task)
    assert notes(task) == ""


def test_from_inside_and_a_part_again(nodes: Nodes, cluster: LocalNodes) -> None:
    task = nodes.submit(loops_at_nodes.divides_itself, 30, 3)
    out, last = task.result(TIMEOUT)
    assert [x for x, _ in out] == list(range(30))
    assert last == 29
    assert {where for _, where in out} == {cluster[n].name for n in range(3)}
    assert notes(task) == ""


def test_loop_and_parts_move(nodes: Nodes, cluster: LocalNodes) -> None:
    task = nodes.submit(loops_at_nodes.moves, 24, cluster[2].name)
    out = task.result(TIMEOUT)
    assert [x for x, _ in out] == list(range(24))
    assert out[-1][1] == cluster[2].name
    assert notes(task) == ""


def test_what_the_submitter_has_registered_is_no_reason_to_take_parts_back(
    nodes: Nodes, cluster: LocalNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its functions travel by value, and are others in each process."""
    monkeypatch.setattr(registry, "_known", dict(registry._known))
    script = {"__name__": "__main__"}
    exec("class Local: pass\ndef freeze(value): pass\ndef thaw(nothing): return Local()", script)
    hetmig.register(script["Local"], freeze=script["freeze"], thaw=script["thaw"])
    test_loop_and_parts_move(nodes, cluster)


def test_the_loop_moves_while_its_parts_are_out(
    nodes: Nodes, cluster: LocalNodes, gate: Path, wait_for: WaitFor
) -> None:
    task = begun(nodes, gate, wait_for, [cluster[1].name, cluster[0].name])
    task.migrate(cluster[2].name, TIMEOUT)
    for info in parts_of(nodes, task):
        nodes.move(info.id, cluster[2].name, TIMEOUT)
    gate.touch()
    require_right(task)
    assert task.result()[2] == cluster[2].name
    assert notes(task) == ""


def test_the_loop_moves_while_it_waits_for_a_part(
    nodes: Nodes, cluster: LocalNodes, gate: Path, wait_for: WaitFor
) -> None:
    task = nodes.submit(loops_at_nodes.waits, 12, str(gate))
    wait_for(task, "in the loop")
    assert task.divide(2, cluster[1].name, TIMEOUT) == 2
    # of 2 to 11 the loop keeps 2 to 6, for which it needs no gate
    task.migrate(cluster[2].name, TIMEOUT)
    task.migrate(cluster[1].name, TIMEOUT)
    gate.touch()
    assert task.result(TIMEOUT) == (list(range(12)), cluster[1].name)
    assert notes(task) == ""


def test_a_part_is_lost(nodes: Nodes, cluster: LocalNodes, gate: Path, wait_for: WaitFor) -> None:
    task = begun(nodes, gate, wait_for, [cluster[1].name])
    lost, _ = sorted(parts_of(nodes, task), key=lambda info: info.name)
    assert nodes.task(lost.id).cancel()
    gate.touch()
    require_right(task)
    assert f"executes part {lost.id} itself" in notes(task)


@pytest.mark.nightly  # a node is given up after half a minute of silence
def test_the_node_of_the_parts_is_lost(gate: Path, wait_for: WaitFor) -> None:
    with LocalNodes(2) as local, connect(local[0], keys=local.keys, echo=False) as nodes:
        task = begun(nodes, gate, wait_for, [local[1].name], 2)
        local[1].kill()
        gate.touch()
        require_right(task)
        assert "itself" in notes(task)


def test_cancelled_with_its_parts(
    nodes: Nodes, cluster: LocalNodes, gate: Path, wait_for: WaitFor
) -> None:
    task = begun(nodes, gate, wait_for, [cluster[1].name])
    ids = {info.id for info in parts_of(nodes, task)}
    assert len(ids) == 2
    assert task.cancel()
    until = time.monotonic() + TIMEOUT
    while ids & {info.id for info in parts_of(nodes, task)}:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert ids <= {info.id for info in parts_of(nodes, task, "cancelled")}


def test_the_first_exception_is_the_loops(nodes: Nodes, gate: Path, wait_for: WaitFor) -> None:
    task = nodes.submit(loops_at_nodes.fails, 12, str(gate))
    wait_for(task, "in the loop")
    assert task.divide(3, timeout=TIMEOUT) == 3
    assert task.result(TIMEOUT) == (list(range(10)), "at 10")


def test_refused_and_goes_on(nodes: Nodes, gate: Path, wait_for: WaitFor) -> None:
    task = nodes.submit(loops_at_nodes.undeclared, str(gate))
    wait_for(task, "in the loop")
    with pytest.raises(DivisionRefused, match="carries 'total' from one iteration to the next"):
        task.divide(2, timeout=TIMEOUT)
    assert task.result(TIMEOUT) == sum(range(8))


def test_no_loop_that_could_be_divided(nodes: Nodes, gate: Path, wait_for: WaitFor) -> None:
    task = nodes.submit(loops_at_nodes.without_a_loop, str(gate))
    wait_for(task, "in the loop")
    with pytest.raises(DivisionRefused, match=r"no loop over hetmig\.divisible"):
        task.divide(2, timeout=0.2)
    with pytest.raises(DivisionRefused, match="two parts or more"):
        task.divide(1)
    gate.touch()
    assert task.result(TIMEOUT) == "done"


def test_by_command_line(
    nodes: Nodes,
    cluster: LocalNodes,
    gate: Path,
    wait_for: WaitFor,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = nodes.submit(loops_at_nodes.listed, 20, str(gate))
    wait_for(task, "in the loop")
    at = ["--node", cluster[0].endpoint, "--keys", str(cluster.keys)]
    assert main(["divide", task.id, "--parts", "3", "--to", cluster[1].name, *at]) == 0
    assert "listed is divided into 3 parts" in capsys.readouterr().out
    gate.touch()
    require_right(task)


@pytest.mark.parametrize(("how", "expected"), [("input", ""), ("message", "TimeoutError")])
def test_what_comes_in_turn_comes_to_the_loop(nodes: Nodes, how: str, expected: str) -> None:
    """A part would read an empty input, and wait for messages of its own, without an error."""
    task = nodes.submit(loops_at_nodes.takes_turns, how)
    out, _ = task.result(TIMEOUT)
    assert out == [f"{x} {expected}" for x in range(12)]
    assert "in turn, by the loop itself" in notes(task)


@pytest.mark.parametrize("policy", ["home", "reopen", "carry"])
def test_an_open_file_is_in_one_place(nodes: Nodes, tmp_path: Path, policy: str) -> None:
    path = tmp_path / "log"
    task = nodes.submit(loops_at_nodes.writes, str(path), policy)
    assert task.result(TIMEOUT) == 26
    assert path.read_text() == "".join(f"{x}\n" for x in range(12))
    assert "one place only" in notes(task)


def test_a_policy_divides_when_nodes_are_idle(tmp_path: Path, wait_for: WaitFor) -> None:
    gate = tmp_path / "open"
    with (
        LocalNodes(3, policy="divide:every=0.05,cool_down=60", path=[str(ROOT)]) as local,
        connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        task = nodes.submit(loops_at_nodes.listed, 20, str(gate))
        deadline = time.monotonic() + TIMEOUT
        while not {info.node for info in parts_of(nodes, task)} & {local[1].name, local[2].name}:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        gate.touch()
        require_right(task)
