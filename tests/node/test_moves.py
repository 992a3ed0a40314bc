"""Tasks that move between nodes: by themselves and from outside, or not at all, and why."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hetmig.client import Nodes, Task, connect
from hetmig.errors import MigrationRefused, NodeUnreachable, NotMigratable, TaskFailed
from hetmig.node.embedded import LocalNodes
from tests.node import programs

WaitFor = Callable[[Task, str], str]
TIMEOUT = 60


def test_a_task_moves_itself(nodes: Nodes) -> None:
    task = nodes.submit(programs.tour, ["b", "c", "b", "a"])
    assert task.result(TIMEOUT) == ["a", "b", "c", "b", "a"]
    journey = task.journey()
    assert [(hop.source, hop.destination) for hop in journey] == [
        ("a", "b"),
        ("b", "c"),
        ("c", "b"),
        ("b", "a"),
    ]
    assert {hop.requested_by for hop in journey} == {"task"}
    assert {hop.function for hop in journey} == {"tour"}
    assert all(0 < hop.freeze_s < TIMEOUT and hop.bytes > 0 for hop in journey)
    assert [hop.epoch for hop in journey] == sorted({hop.epoch for hop in journey})


def test_a_task_hears_of_its_own_move_what_others_hear(nodes: Nodes, wait_for: WaitFor) -> None:
    name, text, here = nodes.submit(programs.tries, "nowhere").result(TIMEOUT)
    assert (name, here) == ("NodeUnreachable", "a")
    task = nodes.submit(programs.wait_for_move)
    wait_for(task, "looping")
    with pytest.raises(NodeUnreachable) as caught:
        task.migrate("nowhere")
    assert str(caught.value) == text
    task.cancel()


def test_a_task_begins_where_it_is_told_to(nodes: Nodes, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import hetmig\nprint(hetmig.here())")
    elsewhere = nodes.with_options(at="b")
    task = elsewhere.submit(programs.tour, ["c"])
    assert task.result(TIMEOUT) == ["b", "c"]
    assert [hop.requested_by for hop in task.journey()] == ["placement", "task"]
    assert elsewhere.submit(programs.tour, []).result(TIMEOUT) == ["b"]
    written: list[str] = []
    ran = elsewhere.run_script(script)
    ran.add_output_callback(lambda stream, text: written.append(text))
    ran.result(TIMEOUT)
    assert "".join(written) == "b\n"
    with pytest.raises(NodeUnreachable, match="nowhere"):
        nodes.with_options(at="nowhere").submit(programs.tour, []).result(TIMEOUT)


def test_a_tight_loop_is_moved_from_outside(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.tight_loop, 3_000_000)
    wait_for(task, "looping")
    hop = task.migrate("b")
    assert (hop.source, hop.destination, hop.requested_by) == ("a", "b", "client")
    assert hop.file.endswith("programs.py")
    assert task.where() == "b"
    assert task.journey() == [hop]
    assert task.result(TIMEOUT) == programs.tight_loop(3_000_000)


def test_by_endpoint_and_back(nodes: Nodes, cluster: LocalNodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.wait_for_move)
    wait_for(task, "looping")
    assert task.migrate(cluster.endpoints[2]).destination == "c"
    assert task.result(TIMEOUT) == (0, "c")


def test_another_client_moves_it_by_its_id(
    nodes: Nodes, cluster: LocalNodes, wait_for: WaitFor
) -> None:
    task = nodes.submit(programs.wait_for_move)
    wait_for(task, "looping")
    with connect(cluster[0], keys=cluster.keys, echo=False) as other:
        assert other.move(task.id, "b").destination == "b"
        assert other.task(task.id).result(TIMEOUT) == task.result(TIMEOUT)


def test_right_after_submission(nodes: Nodes) -> None:
    task = nodes.submit(programs.wait_for_move)
    assert task.migrate("b").destination == "b"
    assert task.result(TIMEOUT)[1] == "b"


def test_nothing_of_the_users_runs_on_the_source(nodes: Nodes, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    assert nodes.submit(programs.with_exit_marks, str(marks)).result(TIMEOUT) == "b"
    assert marks.read_text() == "exit b\nfinally b\n"


def test_an_exception_after_a_move_is_itself(nodes: Nodes) -> None:
    task = nodes.submit(programs.fail_after_move, "b")
    with pytest.raises(LookupError, match="far from home") as caught:
        task.result(TIMEOUT)
    remote = str(caught.value.__cause__)
    lines = [line.strip() for line in remote.splitlines() if line.strip().startswith("File")]
    assert [line.rpartition(" ")[2] for line in lines] == ["fail_after_move", "inner"]
    assert 'raise LookupError("far from home")' in remote


@pytest.mark.parametrize("function", [programs.opens, programs.opens_soon])
def test_a_result_after_a_move_that_cannot_travel(nodes: Nodes, function: Any) -> None:
    task = nodes.with_options(name="other").submit(function, "b")
    with pytest.raises(TaskFailed, match=rf"the result of {function.__name__} \(.*programs.py:"):
        task.result(TIMEOUT)
    assert len(task.journey()) == 1


def test_output_is_in_order_and_complete(nodes: Nodes) -> None:
    pieces: dict[str, list[str]] = {"stdout": [], "stderr": []}
    task = nodes.submit(programs.chatter, ["b", "c", "a"], 200)
    task.add_output_callback(lambda stream, text: pieces[stream].append(text))
    task.result(TIMEOUT)
    expected = ""
    for node in "abca":
        expected += "".join(f"{node} {i}\n" for i in range(200))
        expected += "no newline;from the descriptor\n"
    assert "".join(pieces["stdout"]) == expected
    errors = [f"{node} error {i}\n" for node in "abca" for i in range(0, 200, 10)]
    assert "".join(pieces["stderr"]) == "".join(errors)


def test_a_script_moves_with_its_module_frame(nodes: Nodes) -> None:
    source = """
import sys, hetmig
class Box:
    content = []
def visit():
    for node in sys.argv[1:]:
        Box.content.append(hetmig.here())
        hetmig.migrate(node)
for turn in range(2):
    visit()
import __main__, pickle
assert __main__.Box is Box and pickle.loads(pickle.dumps(Box)) is Box
print(__name__, turn, Box.content, hetmig.here())
"""
    text: list[str] = []
    task = nodes.run_script("agent.py", ["b", "c"], source=source)
    task.add_output_callback(lambda stream, piece: text.append(piece))
    assert task.result(TIMEOUT) is None
    assert "".join(text) == "__main__ 1 ['a', 'b', 'c', 'b'] c\n"
    assert task.name == "agent.py"


def test_an_unpicklable_local_is_named_and_the_task_goes_on(nodes: Nodes) -> None:
    answer = nodes.submit(programs.stays_for_its_flags).result(TIMEOUT)
    assert answer.startswith("NotMigratable")
    assert "holder[0]['flags']" in answer
    assert "stays_for_its_flags" in answer


def test_from_outside_the_reason_comes_at_the_deadline(
    nodes: Nodes, wait_for: WaitFor, tmp_path: Path
) -> None:
    task = nodes.submit(programs.stubborn, str(tmp_path / "stop"))
    wait_for(task, "looping")
    with pytest.raises(NotMigratable) as caught:
        task.migrate("b", timeout=0.3)
    assert caught.value.variable == "connection"
    (tmp_path / "stop").touch()
    assert task.result(TIMEOUT) == "still at a, -1"
    assert task.journey() == []


def test_a_c_function_on_the_stack_is_named(
    nodes: Nodes, wait_for: WaitFor, tmp_path: Path
) -> None:
    task = nodes.submit(programs.within_sorted, str(tmp_path / "stop"))
    wait_for(task, "looping")
    with pytest.raises(NotMigratable, match="within_sorted"):
        task.migrate("b", timeout=0.3)
    (tmp_path / "stop").touch()
    assert task.result(TIMEOUT) == [3, 2, 1]


@pytest.mark.parametrize("to", ["nowhere", "tcp://127.0.0.1:1"])
def test_an_unknown_or_dead_destination(nodes: Nodes, wait_for: WaitFor, to: str) -> None:
    task = nodes.submit(programs.wait_for_move)
    wait_for(task, "looping")
    with pytest.raises(NodeUnreachable):
        task.migrate(to, timeout=1)
    task.migrate("b")
    assert task.result(TIMEOUT)[1] == "b"


def test_to_where_it_is(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.wait_for_move)
    wait_for(task, "looping")
    with pytest.raises(NotMigratable, match="already"):
        task.migrate("a")
    task.migrate("b")
    task.result(TIMEOUT)


def test_a_task_that_moves_to_where_it_is_goes_on(nodes: Nodes) -> None:
    task = nodes.submit(programs.tour, ["a", nodes.endpoint])
    assert task.result(TIMEOUT) == ["a", "a", "a"]
    assert task.journey() == []


def test_an_ended_task_does_not_move(nodes: Nodes) -> None:
    task = nodes.submit(programs.add, 1)
    task.result(TIMEOUT)
    with pytest.raises(NotMigratable, match="ended"):
        task.migrate("b")


def test_many_moves_under_way_at_once(nodes: Nodes, wait_for: WaitFor) -> None:
    tasks = [nodes.submit(programs.wait_for_move, str(i)) for i in range(4)]
    for task in tasks:
        wait_for(task, "looping")
    hops = [task.migrate("bc"[i % 2]) for i, task in enumerate(tasks)]
    assert [task.result(TIMEOUT)[1] for task in tasks] == [hop.destination for hop in hops]


def test_ping_pong_keeps_the_result_and_freezes_briefly(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.tight_loop, 6_000_000)
    wait_for(task, "looping")
    hops = [task.migrate("ba"[i % 2]) for i in range(8)]
    assert task.result(TIMEOUT) == programs.tight_loop(6_000_000)
    assert statistics.median(hop.freeze_s for hop in hops) < 1  # figures are for benchmarks/


def test_drain(cluster: LocalNodes, wait_for: WaitFor) -> None:
    with (
        LocalNodes(2, names=["home", "refuge"]) as pair,
        connect(pair[0], keys=pair.keys, echo=False) as nodes,
    ):
        tasks = [nodes.submit(programs.wait_for_move) for _ in range(2)]
        for task in tasks:
            wait_for(task, "looping")
        report = nodes.drain(timeout=TIMEOUT)
        assert sorted(line["task"] for line in report) == sorted(task.id for task in tasks)
        assert {line["to"] for line in report} == {"refuge"}
        assert [task.result(TIMEOUT)[1] for task in tasks] == ["refuge", "refuge"]
        assert {hop.requested_by for task in tasks for hop in task.journey()} == {"drain"}
        with pytest.raises(Exception, match="draining"):
            nodes.submit(programs.add, 1)
        with connect(pair[1], keys=pair.keys, echo=False) as other:
            task = other.submit(programs.wait_for_move)
            wait_for(task, "looping")
            with pytest.raises(MigrationRefused, match="draining"):
                task.migrate("home")
            task.cancel()


def test_cancelled_far_from_home(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.loop_for_ever)
    wait_for(task, "pid")
    task.migrate("b")
    assert task.cancel()
    assert task.cancelled()
    assert next(info.state for info in nodes.tasks() if info.id == task.id) == "cancelled"


def test_asked_from_outside_while_it_moves_by_itself(nodes: Nodes) -> None:
    """Whatever the order in which the requests meet, both end and the task arrives."""
    task = nodes.submit(programs.tour, ["b", "c"] * 10)
    for to in "abc" * 3:
        with contextlib.suppress(NotMigratable):
            task.migrate(to, timeout=5)
    assert len(task.result(TIMEOUT)) == 21
    hops = task.journey()
    assert all(one.destination == other.source for one, other in itertools.pairwise(hops))


def test_what_a_program_changed_of_its_process_moves_with_it(nodes: Nodes) -> None:
    expected = nodes.submit(programs.uses_the_process, "").result(TIMEOUT)
    assert nodes.submit(programs.uses_the_process, "b").result(TIMEOUT) == expected


def test_asked_to_go_where_it_has_gone_by_itself(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.goes_and_stays, "b")
    wait_for(task, "arrived")
    assert task.migrate("b") == task.journey()[-1]
    task.migrate("a")
    assert task.result(TIMEOUT) == "a"


def test_asked_while_it_commutes(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.commutes, ["b", "a"], 15)
    wait_for(task, "commuting")
    with contextlib.suppress(NotMigratable):  # that it has ended meanwhile
        while True:
            task.migrate("c")
    assert task.result(TIMEOUT) == 15
    epochs = [hop.epoch for hop in task.journey()]
    assert epochs == sorted(set(epochs))
