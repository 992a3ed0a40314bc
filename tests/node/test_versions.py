"""Tasks, their arguments and results between nodes and clients of different Python versions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hetmig.client import Nodes, Task, connect
from hetmig.errors import NotMigratable
from hetmig.node.embedded import LocalNodes
from tests.division import loop_shapes
from tests.interpreters import RUNNING
from tests.node import versions

pytestmark = pytest.mark.slow
TIMEOUT = 60
FAR = "3.14" if RUNNING < "3.14" else "3.11"
HERE = list(sys.version_info[:2])
THERE = [int(part) for part in FAR.split(".")]
WaitFor = Callable[[Task, str], str]


@pytest.fixture(scope="module")
def pair() -> Iterator[LocalNodes]:
    from tests.interpreters import target

    with LocalNodes(2, names=["here", "there"], python=[None, str(target(FAR))]) as pair:
        yield pair


@pytest.fixture
def nodes(pair: LocalNodes) -> Iterator[Nodes]:
    with connect(pair[0], keys=pair.keys, echo=False) as connection:
        yield connection


@pytest.fixture
def there(pair: LocalNodes) -> Iterator[Nodes]:
    with connect(pair[1], keys=pair.keys, echo=False) as connection:
        yield connection


def test_a_task_goes_on_in_another_version_and_comes_back(
    nodes: Nodes, wait_for: WaitFor, tmp_path: Path
) -> None:
    go_on = [tmp_path / "one", tmp_path / "two"]
    task = nodes.submit(versions.in_the_middle, *map(str, go_on))
    wait_for(task, "waiting 0")
    hop = task.migrate("there", TIMEOUT)
    assert hop.source_python["version"] != hop.destination_python["version"]
    go_on[0].touch()
    wait_for(task, "waiting 1")
    task.migrate("here", TIMEOUT)
    go_on[1].touch()
    assert task.result(TIMEOUT) == [HERE, THERE, HERE, [0, 1, 10, 11], ["a0", "a1"]]


def test_it_moves_itself(nodes: Nodes) -> None:
    assert nodes.submit(versions.to_and_fro, "there", "here").result(TIMEOUT) == [
        [HERE, 1],
        [THERE, 2],
        [HERE, 3],
    ]


def test_a_loop_is_divided_between_versions(nodes: Nodes) -> None:
    task = nodes.submit(versions.divided, 12)
    out, texts, last = task.result(TIMEOUT)
    assert [x for x, _ in out] == list(range(12))
    assert [python for _, python in out] == [HERE] * 7 + [THERE] * 5
    assert last == HERE
    assert list(texts.items()) == [(f"{x:02}", ["a", "b"] if x % 2 else []) for x in range(12)]
    assert not [text for stream, text in task._heard.written if stream == "stderr"]


def test_a_divided_loop_that_goes_to_another_version_does_all_itself(nodes: Nodes) -> None:
    """What it must not change can't be compared there; nothing but time is lost."""
    task = nodes.submit(versions.divided, 12, "there")
    out, texts, last = task.result(TIMEOUT)
    assert out == [(x, HERE if x < 3 else THERE) for x in range(12)]
    assert last == THERE
    assert list(texts.items()) == [(f"{x:02}", ["a", "b"] if x % 2 else []) for x in range(12)]
    (note,) = [text for stream, text in task._heard.written if stream == "stderr"]
    assert "moved from Python" in note


@pytest.mark.nightly
@pytest.mark.parametrize("begins", ["here", "there"])
def test_shapes_of_loops_divided_between_versions(
    nodes: Nodes, there: Nodes, begins: str, tmp_path: Path
) -> None:
    at = nodes if begins == "here" else there
    names = [shape.__name__ for shape in loop_shapes.DIVIDED]
    undivided = {
        name: at.submit(versions.shape, name, -1, str(tmp_path / name)).result(TIMEOUT)
        for name in names
    }
    merged = 0
    for name in names:
        task = at.submit(versions.shape, name, 2, str(tmp_path / f"{name}, divided"))
        assert task.result(TIMEOUT) == undivided[name], name
        merged += not [text for stream, text in task._heard.written if stream == "stderr"]
    assert merged > len(names) / 2


def test_a_script(nodes: Nodes, wait_for: WaitFor, tmp_path: Path) -> None:
    source = Path(versions.__file__).with_name("versions_script.py").read_text()
    go_on = tmp_path / "go on"
    task = nodes.run_script("/nowhere/script.py", [str(go_on)], source=source)
    wait_for(task, "waiting")
    task.migrate("there", TIMEOUT)
    go_on.touch()
    shown = wait_for(task, "done")
    with pytest.raises(SystemExit):
        task.result(TIMEOUT)
    assert f"done {HERE} {THERE} 45" in shown
    assert "script.py" in shown
    assert "in_script(1 / 0)" in shown


def test_code_goes_to_a_node_of_another_version_and_comes_back(there: Nodes) -> None:
    class Own(Exception):
        def __init__(self, kept: object) -> None:
            super().__init__("own")
            self.kept = kept

    def job(f: Callable[[int], int]) -> object:
        return sys.version_info[:2], [f(x) for x in range(3)], lambda x: (x, Own)

    def fail() -> None:
        raise Own([1])

    version, values, function = there.submit(job, lambda x: x + 40).result(TIMEOUT)
    assert list(version) == THERE
    assert values == [40, 41, 42]
    assert function(1) == (1, Own)
    with pytest.raises(Own) as caught:
        there.submit(fail).result(TIMEOUT)
    assert caught.value.kept == [1]


def test_where_it_can_not_go_on_is_said(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(versions.asks_for_its_address)
    wait_for(task, "waiting")
    with pytest.raises(NotMigratable, match="addresses"):
        task.migrate("there", 1)
    assert task.running()
    task.cancel()


def test_what_one_version_alone_can_say_is_refused_there(nodes: Nodes, wait_for: WaitFor) -> None:
    """The destination finds no such place; the task is offered a few times, and goes on here."""
    task = nodes.submit(versions.holds_what_is_not_there)
    wait_for(task, "waiting")
    with pytest.raises(NotMigratable, match="only_in_this_process"):
        task.migrate("there", 20)
    assert task.where() == "here"
    task.cancel()
