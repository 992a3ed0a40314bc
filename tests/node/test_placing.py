"""Needs and policies on real nodes: who runs where, and who is told why not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hetmig
from hetmig.cli import main
from hetmig.client import Nodes, Task, connect
from hetmig.errors import NeedsNotMet
from hetmig.node.embedded import LocalNodes
from tests.node import placed

ROOT = str(Path(__file__).parents[2])
TIMEOUT = 60
WaitFor = Callable[[Task, str], str]
SECURE = {"labels": {"zone": "secure"}}


@pytest.fixture(scope="module")
def trio() -> Iterator[LocalNodes]:
    """`a` has nothing, `b` is secure and has a processor of a kind, `c` is open to all."""
    each = [{}, {**SECURE, "resources": {"gpu": 1}, "data": ["s3://bucket"]},
            {"labels": {"zone": "open"}}]  # fmt: skip
    with LocalNodes(3, each=each, path=[ROOT]) as nodes:
        yield nodes


@pytest.fixture
def nodes(trio: LocalNodes) -> Iterator[Nodes]:
    with connect(trio[0], keys=trio.keys, echo=False) as connection:
        yield connection
        for task in connection.tasks():
            if task.state == "running":
                connection.task(task.id).cancel()


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return tmp_path / "go"


def test_a_task_begins_where_its_needs_are_met(nodes: Nodes, go: Path) -> None:
    task = nodes.submit(placed.secure, str(go))
    go.touch()
    assert task.result(TIMEOUT) == "b"
    (hop,) = task.journey()
    assert (hop.source, hop.destination, hop.requested_by) == ("a", "b", "placement")
    assert hop.frames == 0  # nothing of it had run


def test_a_script_and_an_actor_too(nodes: Nodes, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import hetmig\nassert hetmig.here() == 'b', hetmig.here()\n")
    nodes.run_script(script, needs={"gpu": 1, "data": "s3://bucket/x"}).result(TIMEOUT)
    actor = nodes.spawn(placed.Vault)
    assert actor.node().result(TIMEOUT) == "b"
    with pytest.raises(NeedsNotMet, match="zone=secure"):
        actor.migrate("c")
    actor.delete()


def test_what_no_node_has_is_named_at_once(nodes: Nodes, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("")
    with pytest.raises(NeedsNotMet, match=r"none of 3 nodes.*b lacks fpga=2") as caught:
        nodes.run_script(script, needs={"fpga": 2, "zone": "secure"})
    assert caught.value.data["missing"] == "fpga=2 (0 of 0 free)"
    assert caught.value.data["node"] == "b"
    with pytest.raises(hetmig.HetmigError, match="is no name of a need"):
        nodes.run_script(script, needs={"": 1})


def test_a_resource_is_used_up_and_free_again(nodes: Nodes, go: Path) -> None:
    first = nodes.submit(placed.with_gpu, str(go))
    with pytest.raises(NeedsNotMet, match=r"gpu=1 \(0 of 1 free\)"):
        nodes.submit(placed.with_gpu, str(go))
    go.touch()
    assert first.result(TIMEOUT) == "b"
    assert nodes.submit(placed.with_gpu, str(go)).result(TIMEOUT) == "b"


def test_a_move_to_a_node_that_lacks_it_is_refused_before_the_freeze(
    nodes: Nodes, go: Path
) -> None:
    task = nodes.submit(placed.secure, str(go))
    for name in ("a", "c"):
        with pytest.raises(NeedsNotMet, match=f"{name} lacks what the task needs: zone=secure"):
            task.migrate(name)
    go.touch()
    assert task.result(TIMEOUT) == "b"
    assert len(task.journey()) == 1


def test_a_task_that_would_leave_its_zone_is_told_inside(nodes: Nodes) -> None:
    told = nodes.submit(placed.leaves_its_zone).result(TIMEOUT)
    assert told.startswith("NeedsNotMet at b: c lacks what the task needs: zone=secure")


def test_a_drain_leaves_it_rather_than_let_it_go_astray(nodes: Nodes, go: Path) -> None:
    task = nodes.submit(placed.secure, str(go))
    while task.where() != "b":
        assert not task.done()
    report = {entry["task"]: entry for entry in nodes.drain("b", timeout=4)}
    assert report[task.id]["fate"] == "checkpointed"
    assert "zone=secure" in report[task.id]["reason"]
    nodes.undrain("b")
    again = nodes.resume(str(report[task.id]["checkpoint"]))
    go.touch()
    assert again.result(TIMEOUT) == "b"


def test_ps_and_top_show_what_nodes_have(
    trio: LocalNodes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    options = ["--node", trio[0].endpoint, "--keys", str(trio.keys)]
    for command in (["ps", "--nodes"], ["top", "--once"]):
        assert main([*command, *options]) == 0
        shown = capsys.readouterr().out
        assert "zone=secure gpu=1/1" in shown
        assert " HAS" in shown


def test_nodes_say_what_they_have(nodes: Nodes) -> None:
    found = {node.name: node for node in nodes.nodes()}
    assert found["b"].resources == {"gpu": 1}
    assert found["b"].data == ["s3://bucket"]
    for node in found.values():
        assert node.labels is not None
        assert node.labels["node"] == node.name
        assert {"arch", "system", "python"} <= node.labels.keys()
        assert node.policy == "none"
    assert found["c"].labels["zone"] == "open"  # type: ignore[index]


# After a crash --------------------------------------------------------------------------------


def test_it_restarts_from_its_checkpoint_where_its_needs_are_met(tmp_path: Path, go: Path) -> None:
    """Its home is another node, which lacks what it needs."""
    each = [{}, SECURE, SECURE]
    with (
        LocalNodes(3, each=each, path=[ROOT], patience=1.0) as local,
        connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        task = nodes.submit(placed.kept, str(go))
        saved = threading.Event()
        task.add_checkpoint_callback(lambda checkpoint, reason: checkpoint and saved.set())
        written: list[str] = []
        task.add_output_callback(lambda stream, text: written.append(text))
        assert saved.wait(TIMEOUT)
        first = task.where()
        local["abc".index(str(first))].kill()
        while task.where() == first or task.where() == "a":
            assert not task.done(), task
        go.touch()
        where, rounds = task.result(TIMEOUT)
    assert {first, where} == {"b", "c"}
    assert rounds == [1]
    assert "".join(written) == "begun\nended\n"


def test_a_node_that_comes_back_with_less_passes_its_task_on(tmp_path: Path, go: Path) -> None:
    state = tmp_path / "state"
    with LocalNodes(2, each=[SECURE, SECURE], path=[ROOT], state=state) as local:
        with connect(local[0], keys=local.keys, echo=False) as nodes:
            task = nodes.submit(placed.secure, str(go))
            assert task.where() == "a"
        local[0].kill()
        local[0]._settings["labels"] = {}
        local[0].start()
        local[0].wait_until_ready()
        local[0].introduce([node.place for node in local.nodes])
        with connect(local[0], keys=local.keys, echo=False) as nodes:
            again = nodes.task(task.id)
            while again.where() != "b":
                assert not again.done()
            go.touch()
            assert again.result(TIMEOUT) == "b"


# Policies -------------------------------------------------------------------------------------


def test_an_own_policy_moves_tasks_and_who_was_moved_by_hand_stays(
    go: Path,
) -> None:
    """It would move everything all the time; so what does not move is held back by the node."""
    policy = "tests.node.placed:Named:every=0.05,cool_down=0,rate=1000"
    with (
        LocalNodes(2, policy=policy, path=[ROOT]) as local,
        connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        task = nodes.submit(placed.until_moved, str(go))
        assert task.result(TIMEOUT) == "b"
        assert task.journey()[0].requested_by == "placement"
        settled = nodes.submit(_settles)
        assert settled.result(TIMEOUT) == ["b"] * 3


def _settles() -> list[str | None]:
    """Moves to b by itself; for a while, it looks where it is."""
    import time

    hetmig.migrate("a")
    hetmig.migrate("b")
    seen = []
    for _ in range(3):
        time.sleep(0.15)  # three times as long as the policy waits between two looks
        seen.append(hetmig.here())
    return seen


def test_a_policy_that_raises_harms_nobody(go: Path) -> None:
    policy = "tests.node.placed:Named:fail=true,every=0.05"
    with (
        LocalNodes(1, policy=policy, path=[ROOT]) as local,
        connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        go.touch()
        assert nodes.submit(placed.until_moved, str(go)).result(TIMEOUT) == "a"


@pytest.mark.parametrize(
    "policy",
    [
        "age:every=0.1",
        pytest.param("steal:every=0.1", marks=pytest.mark.nightly),
        pytest.param("place:every=0.1", marks=pytest.mark.nightly),
        pytest.param("threshold:every=0.1,predict=smoothed", marks=pytest.mark.nightly),
    ],
)
def test_a_crowd_spreads(policy: str, go: Path) -> None:
    """All on one node: some go to the other by themselves, and all end."""
    each = [{"slots": 1}] * 2
    with (
        LocalNodes(2, policy=f"{policy},cool_down=0.2", each=each, path=[ROOT]) as local,
        connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        warm = nodes.submit(_visit)
        assert warm.result(TIMEOUT) == "b"  # now they know each other
        tasks = [nodes.submit(_waits, str(go)) for _ in range(4)]
        while not any(task.where() == "b" for task in tasks):
            assert not any(task.done() for task in tasks)
        go.touch()
        assert sorted(str(task.result(TIMEOUT)) for task in tasks).count("b") >= 1


def _visit() -> str | None:
    hetmig.migrate("b")
    return hetmig.here()


def _waits(go: str) -> str | None:
    import os
    import time

    while not os.path.exists(go):
        time.sleep(0.01)
    return hetmig.here()
