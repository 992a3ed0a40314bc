"""Three nodes on loopback, and how to wait for what a task says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from hetmig.client import Task
from hetmig.node.embedded import LocalNodes

TIMEOUT = 60


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalNodes]:
    with LocalNodes(3) as nodes:
        yield nodes


@pytest.fixture
def wait_for() -> Callable[[Task, str], str]:
    """Wait until the task's standard output contains a text; all of it so far."""

    def wait(task: Task, text: str) -> str:
        seen: list[str] = []
        found = threading.Event()

        def look(stream: str, piece: str) -> None:
            seen.append(piece)
            if text in "".join(seen):
                found.set()

        task.add_output_callback(look)
        task.add_done_callback(lambda task: found.set())
        assert found.wait(TIMEOUT)
        assert text in "".join(seen), task
        return "".join(seen)

    return wait
