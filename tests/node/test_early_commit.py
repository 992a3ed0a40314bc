"""A small task is committed while its destination still puts it together, which may fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hetmig.client import Nodes, connect
from hetmig.errors import MigrationRefused
from hetmig.node.embedded import LocalNodes
from tests.node.crashes import TIMEOUT, until


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Two nodes with journals: without, nothing is committed early."""
    with LocalNodes(2, state=tmp_path / "state") as local:
        with connect(local[0], keys=local.keys, echo=False) as connection:
            yield connection


def counting(go: str) -> int:
    """Count until the file `go` is there."""
    import time

    import hetmig

    count = 0
    while not os.path.exists(go):
        count += 1
        hetmig.progress(count)
        time.sleep(0.01)
    return count


class Sticky:
    """Can be put together in the process it was made in only."""

    def __init__(self, how: str) -> None:
        self.home, self.how = os.getpid(), how

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if os.getpid() != self.home and os.path.exists(self.how):
            os.mkfifo(f"{self.how}.{os.getpid()}")
            open(f"{self.how}.{os.getpid()}").close()  # for ever: nobody writes
        elif os.getpid() != self.home:
            raise RuntimeError("I do not like it here")


def stuck(go: str, how: str) -> tuple[int, bool]:
    """The same with such an object, which the source has made; whether it is still there."""
    import time

    import hetmig

    sticky = Sticky(how)
    count = 0
    while not os.path.exists(go):
        count += 1
        hetmig.progress(count)
        time.sleep(0.01)
    return count, sticky.home == os.getpid()


def test_the_steps_say_that_it_was_early(nodes: Nodes, tmp_path: Path) -> None:
    task = nodes.submit(counting, str(tmp_path / "go"))
    until(lambda: task.progress() is not None)
    hop = task.migrate("b", timeout=30)
    steps = [(step.side, step.step) for step in hop.steps]
    assert ("source", "record") not in steps
    # it did not wait for any word either: the destination had promised to be quick
    assert ("link", "offer") not in steps
    assert ("destination", "answer") not in steps
    assert sum(step.seconds for step in hop.steps) == pytest.approx(hop.freeze_s, rel=0.05)
    (tmp_path / "go").touch()
    assert task.result(TIMEOUT) > 0


def test_what_can_not_be_put_together_goes_on_at_the_source(nodes: Nodes, tmp_path: Path) -> None:
    task = nodes.submit(stuck, str(tmp_path / "go"), str(tmp_path / "hang"))
    until(lambda: task.progress() is not None)
    with pytest.raises(MigrationRefused, match="I do not like it here"):
        task.migrate("b", timeout=30)
    seen = task.progress()
    until(lambda: task.progress() != seen)
    (tmp_path / "go").touch()
    count, at_home = task.result(TIMEOUT)
    assert count > 0
    assert at_home
    assert task.journey() == []


def test_what_hangs_there_is_asked_back(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    task = nodes.submit(stuck, str(tmp_path / "go"), str(tmp_path / "hang"))
    until(lambda: task.progress() is not None)
    with pytest.raises(MigrationRefused, match="did not take the task within 1 s"):
        task.migrate("b", timeout=1)
    (tmp_path / "go").touch()
    count, at_home = task.result(TIMEOUT)
    assert count > 0
    assert at_home
