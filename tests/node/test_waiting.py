"""What a task waits in, and what it has of its thread and process: moved exactly, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hetmig.client import Nodes, Task
from hetmig.errors import NotMigratable
from tests.node import waiting_programs as programs

WaitFor = Callable[[Task, str], str]
TIMEOUT = 60


def test_a_sleeper_sleeps_on_elsewhere(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.sleeps, 2.0)
    wait_for(task, "asleep")
    hop = task.migrate("b")
    assert hop.wait_s < 1
    where, slept = task.result(TIMEOUT)
    assert where == "b"
    assert 1.95 <= slept - hop.freeze_s < 4.0  # two clocks, and the time the freeze is counted from


def test_a_sleeper_sleeps_on_after_many_moves(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.sleeps, 3.0)
    wait_for(task, "asleep")
    hops = [task.migrate(to) for to in "bcab"]
    where, slept = task.result(TIMEOUT)
    assert where == "b"
    assert slept >= 3.0
    assert len(hops) == 4


def test_a_loop_that_is_always_met_at_a_place_which_can_not_move(
    nodes: Nodes, wait_for: WaitFor, tmp_path: Path
) -> None:
    """From the end of the sleep the next look always fell into the same call."""
    task = nodes.submit(programs.polls, str(tmp_path / "enough"))
    wait_for(task, "polling")
    for to in "bcabcabcab":
        task.migrate(to, TIMEOUT)
    (tmp_path / "enough").touch()
    assert task.result(TIMEOUT) == "b"


def test_short_sleeps_in_a_loop(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.sleeps_in_a_loop, 150)
    wait_for(task, "asleep")
    task.migrate("b")
    assert task.result(TIMEOUT) == (150, "b")


def test_time_sleep_is_itself_everywhere(nodes: Nodes) -> None:
    stayed, moved = (
        nodes.submit(programs.sleep_is_itself, stop).result(TIMEOUT) for stop in ("", "b")
    )
    assert stayed == moved
    assert moved[:6] == [True, True, "sleep", True, True, True]
    assert moved[6:] == programs.sleep_is_itself("")[6:]


def test_signals_of_the_program_during_a_sleep(nodes: Nodes) -> None:
    names = nodes.submit(programs.interrupted_sleep).result(TIMEOUT)
    assert names == ["interrupted_sleep", "sleep", "ring"]
    assert nodes.submit(programs.handled_sleep).result(TIMEOUT) == (3, True)
    assert 0.05 <= nodes.submit(programs.sleeps_in_threads).result(TIMEOUT) < 10


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (programs.in_input, r"readline\(\.\.\.\)"),
        (programs.in_recv, r"recv\(\.\.\.\)"),
        (programs.in_acquire, r"acquire\(\.\.\.\)"),
        (programs.in_wait, r"waitpid\(\.\.\.\)"),
    ],
)
def test_another_call_is_waited_for_and_named(
    nodes: Nodes, wait_for: WaitFor, tmp_path: Path, program: Callable[..., str], name: str
) -> None:
    task = nodes.submit(program, str(tmp_path / "go"))
    wait_for(task, "waiting")
    with pytest.raises(NotMigratable, match=name) as caught:
        task.migrate("b", timeout=0.3)
    assert caught.value.frame is not None
    (tmp_path / "go").touch()
    assert task.result(TIMEOUT) == "line"
    assert task.journey() == []


def test_a_call_that_looks_at_no_signals_is_named(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.in_a_long_call)
    wait_for(task, "waiting")
    with pytest.raises(NotMigratable, match=r"inside pbkdf2_hmac\(\.\.\.\), which") as caught:
        task.migrate("b", timeout=0.5)
    assert caught.value.frame is not None
    assert caught.value.frame.function == "in_a_long_call"
    task.cancel()


def test_a_call_that_lets_no_other_thread_run(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.in_a_greedy_call)
    wait_for(task, "waiting")
    with pytest.raises(NotMigratable, match="inside C code that does not return"):
        task.migrate("b", timeout=0.3)
    task.cancel()


def test_threads_are_named_or_left_behind(nodes: Nodes) -> None:
    reason, *rest = nodes.submit(programs.with_threads, "b").result(TIMEOUT)
    assert "'other' would stay behind: join it first" in reason
    assert rest == [True, False, False, 1, "b"]


def test_state_of_thread_and_process(nodes: Nodes) -> None:
    stayed, moved = (
        nodes.submit(programs.with_process_state, stop).result(TIMEOUT) for stop in ("", "b")
    )
    assert moved == stayed
    assert moved[-3:] == [True, True, "cannot release un-acquired lock"]


def test_logging_goes_on_as_it_was_configured(nodes: Nodes) -> None:
    for stop in ("", "b"):
        shown: dict[str, str] = {"stdout": "", "stderr": ""}

        def show(stream: str, piece: str, shown: dict[str, str] = shown) -> None:
            shown[stream] += piece

        task = nodes.submit(programs.logs, stop)
        task.add_output_callback(show)
        task.result(TIMEOUT)
        assert shown["stderr"].splitlines() == [
            "INFO program.part BEFORE",
            "INFO program.part AFTER",
            "NOTICE program.part NOTICED",
        ]


def test_warnings_are_filtered_and_recorded_as_before(nodes: Nodes) -> None:
    for stop in ("", "b"):
        assert nodes.submit(programs.warns, stop).result(TIMEOUT) == ["one", "two", "raised three"]
