"""The globals of a module that both ends import by name are state of the task all the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hetmig.client import Nodes, connect
from hetmig.node.embedded import LocalNodes

TIMEOUT = 60


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory on the path of every node and of the client, as an installed program's is."""
    place = tmp_path_factory.mktemp("program")
    shutil.copy(Path(__file__).parent / "own_module.py", place / "counting_program.py")
    return place


@pytest.fixture
def nodes(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    monkeypatch.syspath_prepend(str(installed))
    with (
        LocalNodes(2, names=["one", "two"], path=[str(installed)]) as cluster,
        connect(cluster[0], keys=cluster.keys, echo=False) as client,
    ):
        yield client


def test_they_move_with_it(nodes: Nodes) -> None:
    import counting_program

    expected = (4, ["one", "two", "three", "four"], True, True, 10)
    for stop in ("", "two"):
        task = nodes.submit(counting_program.uses_module_globals, stop)
        assert task.result(TIMEOUT) == expected
        assert len(task.journey()) == bool(stop)
    assert counting_program._calls == 0  # by name: nothing of it ran here


def test_class_variables_move_with_it(nodes: Nodes) -> None:
    import counting_program

    expected = (2, ["one", "two"], 5, 4, True)
    for stop in ("", "two"):
        assert nodes.submit(counting_program.uses_class_variables, stop).result(TIMEOUT) == expected


def test_one_that_cannot_move_is_named(nodes: Nodes) -> None:
    import counting_program

    reason = nodes.submit(counting_program.sets_a_global_that_stays, "two").result(TIMEOUT)
    assert "counting_program._pool" in reason
    assert "sys.flags" in reason


LATE = """
import threading
value, lock = 0, threading.Lock()
def said():
    return "as imported"
"""

IMPORTS_LATE = """
import hetmig, late_program
late_program.value = 1
late_program.said = lambda: "as set"
hetmig.migrate("two")
print(late_program.value, late_program.said(), late_program.lock.locked(), hetmig.here())
import later_program
for module in (late_program, later_program):
    module.file = open(__import__("os").devnull)
    try:
        hetmig.migrate("one")
    except hetmig.NotMigratable as error:
        print(error.variable, hetmig.here())
    module.file.close()
"""


def test_one_that_the_task_itself_imports(nodes: Nodes, installed: Path) -> None:
    (installed / "late_program.py").write_text(LATE)
    (installed / "later_program.py").write_text("")
    text: list[str] = []
    task = nodes.run_script("script.py", source=IMPORTS_LATE)
    task.add_output_callback(lambda stream, piece: text.append(piece))
    task.result(TIMEOUT)
    assert "".join(text).splitlines() == [
        "1 as set False two",
        "late_program.file two",
        "later_program.file two",
    ]
