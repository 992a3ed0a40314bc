"""The record of a task moves from home to home: nothing of it is lost, nothing comes twice.

    python -m pytest -m "nightly or not nightly" tests/node/test_rehome.py

kills either side at each step.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from hetmig.client import Task, connect
from hetmig.errors import HetmigError
from hetmig.node.embedded import LocalNodes
from hetmig.node.steps import HOME_STEPS
from tests.node.crashes import TIMEOUT, until

WaitFor = Callable[[Task, str], str]
MORE = [(False, "a"), (True, "b"), (False, "b"), (True, "c"), (False, "c")]


def chatters(go: str) -> tuple[int, str]:
    """Say each round its number, until the file `go` is there."""
    import os
    import time

    import hetmig

    rounds = 0
    while not os.path.exists(go):
        rounds += 1
        print(rounds, flush=True)
        time.sleep(0.002)
    return rounds, hetmig.here()


def collected(task: Task) -> list[str]:
    pieces: list[str] = []
    task.add_output_callback(lambda stream, text: pieces.append(text))
    return pieces


def whole(rounds: int) -> str:
    return "".join(f"{number}\n" for number in range(1, rounds + 1))


def homes_of(nodes: LocalNodes, task: str) -> list[str]:
    """The nodes that say that they are the home of a task."""
    found = []
    for node in nodes.nodes:
        with connect(node, keys=nodes.keys, echo=False) as connection:
            infos = [info for info in connection.tasks() if info.id == task]
            assert len(infos) <= 1
            found += [info.home for info in infos if info.submitted is not None]
    return found


@pytest.mark.parametrize(
    ("journal", "runs_on"),
    [
        (True, "a"),
        *(pytest.param(*case, marks=pytest.mark.nightly) for case in MORE),
    ],
)
def test_the_old_home_is_killed_for_good(
    journal: bool, runs_on: str, tmp_path: Path, wait_for: WaitFor
) -> None:
    """The task is at home on a, then on b; it runs on a (and moves away), b or c."""
    state = tmp_path / "state" if journal else None
    with LocalNodes(3, state=state) as nodes:
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            until(lambda: "5\n" in pieces)
            if runs_on != "a":
                task.migrate(runs_on)
            assert task.rehome("b", timeout=30)
            assert homes_of(nodes, task.id) == ["b"]
            if runs_on == "a":
                task.migrate("c", timeout=30)
            before = task.journey()
            assert before[-1].destination == ("c" if runs_on == "a" else runs_on)
            nodes[0].kill()
            assert task.journey() == before
            if runs_on == "c":
                assert task.migrate("b", timeout=30).destination == "b"
            with connect(nodes[1], keys=nodes.keys, echo=False) as late:
                again = late.task(task.id)
                said = collected(again)
                go.touch()
                rounds, _ = task.result(TIMEOUT)
                assert again.result(TIMEOUT)[0] == rounds
                assert "".join(said) == whole(rounds)
            assert "".join(pieces) == whole(rounds)


OLD = [
    "home-begin", "home-record/frozen", "home-recorded/frozen", "home-offer",
    "home-heard/offer-staged", "home-record/committed", "home-recorded/committed",
    "home-heard/owned", "home-record/gone", "home-recorded/gone", "home-gone",
]  # fmt: skip
NEW = [
    "home-received/offer", "home-record/staged", "home-recorded/staged",
    "home-answer/offer-staged", "home-received/commit", "home-record/running",
    "home-recorded/running", "home-answer/owned",
]  # fmt: skip
OFTEN = {"home-recorded/committed"}
"""The point of decision: looked at in each run."""


def cases() -> list[object]:
    return [
        pytest.param(
            victim,
            death,
            id=f"{victim}-{death}",
            marks=() if death in OFTEN else (pytest.mark.nightly,),
        )
        for victim, deaths in (("a", OLD), ("b", NEW))
        for death in deaths
    ]


def test_every_step_is_among_the_cases() -> None:
    assert {case.partition("/")[0] for case in OLD + NEW} == set(HOME_STEPS)


def restart(nodes: LocalNodes, name: str, death: str = "") -> None:
    node = next(node for node in nodes.nodes if node.name == name)
    node.start({"HETMIG_DIE_AT": death} if death else None)
    node.wait_until_ready()
    node.introduce([node.place for node in nodes.nodes])


@pytest.mark.parametrize(("victim", "death"), cases())
def test_killed_at_a_step_of_either_side(victim: str, death: str, tmp_path: Path) -> None:
    """The record is at exactly one of them afterwards, whole, and the task's output too."""
    with LocalNodes(3, state=tmp_path / "state") as nodes, ThreadPoolExecutor() as pool:
        node = nodes[0] if victim == "a" else nodes[1]
        node.kill()
        restart(nodes, victim, death)
        with connect(nodes[0], keys=nodes.keys, echo=False) as connection:
            go = tmp_path / "go"
            task = connection.submit(chatters, str(go))
            pieces = collected(task)
            task.migrate("c", timeout=30)
            before = task.journey()
            moving = pool.submit(task.rehome, "b", 5.0)
            assert node.wait() < 0
            restart(nodes, victim)
            with suppress(HetmigError):
                moving.result(TIMEOUT)
            until(lambda: len(homes_of(nodes, task.id)) == 1)
            assert task.journey() == before
            if homes_of(nodes, task.id) == ["a"]:
                assert task.rehome("b", timeout=30)
            else:
                assert task.rehome("c", timeout=30)
                assert task.rehome("b", timeout=30)
            nodes[0].kill()
            go.touch()
            rounds, _ = task.result(TIMEOUT)
            assert "".join(pieces) == whole(rounds)
            assert task.journey() == before
