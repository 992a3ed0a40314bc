"""A node finds the tasks that are there without a look at all it remembers."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from hetmig.node.handoff import Handoff, State
from hetmig.node.hosted import Hosted
from hetmig.node.remembered import Remembered


def made(tasks: Remembered, task: str, state: State) -> Hosted:
    node: Any = SimpleNamespace(journal=None)
    hosted = tasks[task] = Hosted(node, task)
    hosted.handoff = Handoff(state, 1)
    return hosted


@pytest.mark.parametrize("seed", range(20))
def test_those_are_known_that_a_look_at_each_finds(seed: int) -> None:
    chance, tasks = random.Random(seed), Remembered()
    for _ in range(300):
        task = str(chance.randrange(30))
        match chance.randrange(5):
            case 0:
                made(tasks, task, chance.choice(list(State)))
            case 1:
                tasks.pop(task, None)
            case 2 if task in tasks:
                tasks[task].handoff = Handoff(chance.choice(list(State)), 2)
            case 3 if task in tasks:  # as a transition does
                tasks[task].handoff.state = chance.choice(list(State))
            case 4:
                found = tasks.known()
                assert len(found) == len({hosted.id for hosted in found})
                assert {h.id for h in found} == {t for t, h in tasks.items() if h.is_known}


def test_one_that_comes_back_is_known_again() -> None:
    tasks = Remembered()
    hosted = made(tasks, "t", State.GONE)
    assert tasks.known() == []
    hosted.handoff.state = State.STAGING
    assert tasks.known() == [hosted]


def test_the_oldest_of_those_that_are_not_there_are_old() -> None:
    tasks = Remembered()
    for number in range(6):
        made(tasks, str(number), State.RUNNING if number == 1 else State.ENDED)
    assert tasks.old(3) == ["0", "2"]
    assert tasks.old(5) == []
