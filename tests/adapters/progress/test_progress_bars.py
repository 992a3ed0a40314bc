"""Bars of `tqdm` and `rich` that a task holds while it moves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tqdm", reason="tqdm is not there: pip install hetmig[test-adapters]")

import hetmig
from hetmig.client import Nodes
from hetmig.node.embedded import LocalNodes
from tests.adapters.progress import programs

TIMEOUT = 60


class Watched:
    """A task that waits in the middle, and what it wrote and reported."""

    def __init__(
        self, nodes: Nodes, function: Callable[..., Any], go_on: Path, **more: Any
    ) -> None:
        self.reports: list[tuple[float, float | None, str]] = []
        self.texts = {"stdout": "", "stderr": ""}
        self._go_on = go_on
        self._something = threading.Event()
        self.task = nodes.submit(function, str(go_on), **more)
        self.task.add_progress_callback(self._reported)
        self.task.add_output_callback(self._wrote)

    def _reported(self, *report: Any) -> None:
        self.reports.append(report)
        self._something.set()

    def _wrote(self, stream: str, text: str) -> None:
        self.texts[stream] += text

    def moved(self) -> Any:
        """Its result, after it was moved to and fro where it waits."""
        assert self._something.wait(TIMEOUT)
        assert self.task.migrate("b", TIMEOUT).destination == "b"
        assert self.task.migrate("a", TIMEOUT).destination == "a"
        self._go_on.touch()
        return self.task.result(TIMEOUT)


def test_tqdm_goes_on(nodes: Nodes, tmp_path: Path) -> None:
    watched = Watched(nodes, programs.with_tqdm, tmp_path / "go", ncols=60)
    assert watched.moved() == (sum(range(40)), 40)
    shown = [int(n) for n in re.findall(r"(\d+)/40", watched.texts["stderr"])]
    assert shown == sorted(shown)
    assert set(shown) == set(range(41))
    assert watched.task.progress() == (40, 40, "work")
    done = [report[0] for report in watched.reports]
    assert done == sorted(done)
    assert {report[1:] for report in watched.reports} == {(40, "work")}


def test_nested_bars_of_tqdm(nodes: Nodes, tmp_path: Path) -> None:
    watched = Watched(nodes, programs.by_hand, tmp_path / "go")
    assert watched.moved() == (10, "TMonitor")
    assert watched.task.progress() == (10, 10, "outer")
    assert "at=4" in watched.texts["stderr"]


def test_a_disabled_bar(nodes: Nodes, tmp_path: Path) -> None:
    go_on = tmp_path / "go"
    task = nodes.submit(programs.with_tqdm, str(go_on), disable=True)
    task.migrate("b", TIMEOUT)
    go_on.touch()
    assert task.result(TIMEOUT) == (sum(range(40)), 0)
    assert task.progress() is None


def test_a_bar_that_is_being_drawn_stays(nodes: Nodes) -> None:
    reasons, place = nodes.submit(programs.while_it_is_drawn).result(TIMEOUT)
    assert len(reasons) == 1
    assert reasons[0].endswith("the bar is being drawn")
    assert place == "a"


def test_a_bar_that_is_half_made() -> None:
    from tqdm import tqdm

    begun = tqdm.__new__(tqdm)
    arrived = hetmig.loads(hetmig.dumps(begun))
    assert vars(arrived) == vars(begun) == {}
    begun.disable = arrived.disable = True


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (programs.with_rich, (sum(range(40)), True)),
        (programs.with_lines_of_rich, ([4, 2], True)),
    ],
)
def test_rich_goes_on(
    nodes: Nodes, tmp_path: Path, function: Callable[..., Any], result: object
) -> None:
    watched = Watched(nodes, function, tmp_path / "go")
    assert watched.moved() == result
    assert "100%" in watched.texts["stdout"]
    done, total, _ = watched.task.progress() or (0, None, "")
    assert done == total


IN_A_TERMINAL = """
import sys
from pathlib import Path
from hetmig.client import connect
from tests.adapters.progress import programs
endpoint, keys, go_on, function = sys.argv[1:]
with connect(endpoint, keys=keys) as nodes:
    task = nodes.submit(getattr(programs, function), go_on)
    while not task.progress():
        task.info()
    hops = [task.migrate(to, 60).destination for to in "ba"]
    Path(go_on).touch()
    print(hops, task.result(60), flush=True)
"""


@pytest.mark.parametrize(
    ("function", "shown"),
    [("with_tqdm", "work: 100%"), ("with_lines_of_rich", "between\r\n")],
)
def test_in_a_terminal(cluster: LocalNodes, tmp_path: Path, function: str, shown: str) -> None:
    pty = pytest.importorskip("pty", reason="there are no pseudo terminals")
    go_on = str(tmp_path / "go")
    command = [sys.executable, "-c", IN_A_TERMINAL, cluster[0].endpoint, str(cluster.keys)]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "90", "LINES": "24", "TERM": "xterm"}
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [*command, go_on, function],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=root,
    )
    os.close(theirs)
    text = b""
    try:
        while True:
            try:
                text += os.read(ours, 1 << 16)
            except OSError:  # the other side is closed
                break
        assert process.wait(TIMEOUT) == 0, text.decode()
    finally:
        process.kill()
        os.close(ours)
    assert "['b', 'a'] (" in text.decode()
    assert shown in text.decode()
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text.decode()))
    longest = max(len(line) for line in lines if "%" in line)
    assert longest <= 90, [line for line in lines if len(line) > 90]
    assert longest > 80 or function != "with_tqdm"
