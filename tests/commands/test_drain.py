"""`hetmig drain`, and what SIGTERM does to `hetmig node`, against real nodes."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hetmig
from hetmig.cli import main
from hetmig.client import Nodes, Task
from hetmig.commands.common import time_span
from hetmig.commands.drain import exit_code_of
from hetmig.node.embedded import LocalNodes
from tests.node.drained import count, held, until_moved

ROOT = str(Path(__file__).parents[2])
TIMEOUT = 60
ONLY_THERE = "HETMIG_TEST_STAYS"


class Started:
    """A `hetmig node` process."""

    def __init__(self, keys: Path, *options: str, name: str = "old", port: int = 0) -> None:
        self.keys = keys
        command = [sys.executable, "-m", "hetmig", "node", "--keys", str(keys), "--name", name]
        command += ["--listen", f"tcp://127.0.0.1:{port}", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, ONLY_THERE: "1"},
        )
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline()]
        found = re.search(r"listens on (\S+:(\d+))", self.lines[0])
        assert found, self.process.communicate()
        self.endpoint, self.port = found[1], int(found[2])

    def connect(self) -> Nodes:
        return hetmig.connect(self.endpoint, keys=self.keys, echo=False)

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit code and what it has printed."""
        out, err = self.process.communicate(timeout=TIMEOUT)
        assert "Traceback" not in err, err
        return self.process.returncode, out

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def refuge() -> Iterator[LocalNodes]:
    with LocalNodes(1, names=["new"], path=[ROOT]) as nodes:
        yield nodes


@pytest.fixture
def start(refuge: LocalNodes) -> Iterator[Callable[..., Started]]:
    with contextlib.ExitStack() as started:

        def begin(*options: str, **named: Any) -> Started:
            node = Started(refuge.keys, *options, **named)
            started.callback(node.kill)
            return node

        yield begin


def says(task: Task, text: str) -> None:
    """Wait until it has said this."""
    said: list[str] = []
    heard = threading.Event()

    def hear(stream: str, piece: str) -> None:
        said.append(piece)
        if text in "".join(said):
            heard.set()

    task.add_output_callback(hear)
    assert heard.wait(TIMEOUT), said


def fates(out: str) -> dict[str, tuple[str, str]]:
    """What a printed table says of each task: its fate, and the rest of the line."""
    found = re.findall(r"^(\w{12})\s+\w+\s+(\w+)\s(.*)$", out, re.MULTILINE)
    return {task: (fate, rest) for task, fate, rest in found}


def test_drain_says_where_everything_went(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        LocalNodes(2, names=["old", "new"], path=[ROOT]) as local,
        hetmig.connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        options = ["--node", local[0].endpoint, "--keys", str(local.keys)]
        tasks = [nodes.submit(until_moved), nodes.submit(held, str(local.keys / "go"))]
        says(tasks[0], "waiting")
        says(tasks[1], "held")
        with ThreadPoolExecutor() as pool:
            draining = pool.submit(main, ["drain", "old", "--deadline", "10m", *options])
            assert tasks[0].result(TIMEOUT) == "new"
            nodes.undrain()
            assert draining.result(TIMEOUT) == 1
        out = capsys.readouterr().out
        assert fates(out)[tasks[0].id][0] == "moved"
        fate, why = fates(out)[tasks[1].id]
        assert (fate, why.strip() != "") == ("stays", True)
        assert "old is drained: 1 moved, 1 stays" in out
        (local.keys / "go").touch()
        assert tasks[1].result(TIMEOUT) is None
        assert main(["drain", "old", "--json", *options]) == 0
        assert json.loads(capsys.readouterr().out) == {"node": "old", "tasks": []}
        with pytest.raises(Exception, match="draining"):
            nodes.submit(until_moved)
        assert main(["drain", "old", "--undo", *options]) == 0
        assert "old takes tasks again" in capsys.readouterr().out
        assert nodes.submit(abs, -3).result(TIMEOUT) == 3


def test_a_drained_node_without_peers_checkpoints_and_ends(
    start: Callable[..., Started],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    refuge: LocalNodes,
) -> None:
    node = start("--state", "none", "--checkpoints", str(tmp_path))
    with node.connect() as nodes:
        task = nodes.submit(count, str(tmp_path / "go"))
        says(task, "counting")
        options = ["--node", node.endpoint, "--keys", str(node.keys), "--shutdown"]
        assert main(["drain", "old", "--deadline", "1m", *options]) == 75
        fate, rest = fates(capsys.readouterr().out)[task.id]
        assert fate == "checkpointed"
        with pytest.raises(hetmig.TaskLost, match="hetmig resume"):
            task.result(TIMEOUT)
    code, out = node.end()
    assert (code, fates(out)[task.id][0]) == (75, "checkpointed")
    (tmp_path / "go").touch()
    with hetmig.connect(refuge[0], keys=refuge.keys, echo=False) as nodes:
        assert_counted(nodes.resume(rest.split()[0]).result(TIMEOUT))


def assert_counted(result: tuple[int, int]) -> None:
    """The rounds were counted, whoever has begun."""
    rounds, total = result
    assert rounds > 0
    assert total == rounds * (rounds + 1) // 2


def test_sigterm_with_three_kinds_of_tasks(
    start: Callable[..., Started], refuge: LocalNodes, tmp_path: Path
) -> None:
    """One moves, one only fits the journal, one can't be captured: at the next start all go on."""
    state, go = str(tmp_path / "state"), tmp_path / "go"
    node = start("--state", state, "--join", refuge[0].endpoint, "--deadline", "16s")
    with node.connect() as nodes:
        tasks = [
            nodes.submit(until_moved),
            nodes.submit(refused_elsewhere, str(go)),
            nodes.submit(held, str(go)),
        ]
        for task, word in zip(tasks, ("waiting", "counting", "held"), strict=True):
            says(task, word)
        node.process.send_signal(signal.SIGTERM)
        code, out = node.end()
        assert code == 75, out
        told = fates(out)
        assert [told[task.id][0] for task in tasks] == ["moved", "kept", "kept"]
        assert "from where it stands" in told[tasks[1].id][1]
        assert "done again" in told[tasks[2].id][1]
        assert "sys.flags" in told[tasks[2].id][1]
        go.touch()
        start("--state", state, "--join", refuge[0].endpoint, port=node.port)
        assert tasks[0].result(TIMEOUT) == "new"
        rounds, total, runs = tasks[1].result(TIMEOUT)
        assert_counted((rounds, total))
        assert runs == 1, "it began anew"
        assert tasks[2].result(TIMEOUT) is None


class Stays:
    """Can be put back only where the environment has its home."""

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, ()


def rebuilt() -> Stays:
    if ONLY_THERE not in os.environ:
        raise ValueError("not here")
    return Stays()


def refused_elsewhere(go: str) -> tuple[int, int, int]:
    stays = Stays()
    print("counting", flush=True)
    with open(f"{go}.runs", "a") as file:
        file.write("run\n")
    rounds = total = 0
    while not os.path.exists(go):
        rounds += 1
        total += rounds
    assert stays is not None
    with open(f"{go}.runs") as file:
        runs = len(file.readlines())
    return rounds, total, runs


def test_a_second_sigterm_hurries(start: Callable[..., Started], tmp_path: Path) -> None:
    node = start("--state", str(tmp_path / "state"), "--deadline", "10m")
    with node.connect() as nodes:
        task = nodes.submit(held, str(tmp_path / "go"))
        says(task, "held")
        node.process.send_signal(signal.SIGTERM)
        while not nodes.nodes()[0].draining:
            pass
        for signum in (signal.SIGINT, signal.SIGTERM):
            node.process.send_signal(signum)
        code, out = node.end()
        assert (code, fates(out)[task.id][0]) == (75, "kept")


@pytest.mark.nightly
def test_what_a_peer_has_not_confirmed_is_kept(tmp_path: Path) -> None:
    """It may run there, or not: both are asked when they are back, and one of them has it."""
    state, go = str(tmp_path / "state"), tmp_path / "go"
    with (
        LocalNodes(1, names=["new"], path=[ROOT], state=tmp_path / "peer") as local,
        contextlib.ExitStack() as started,
    ):
        peer = local[0]
        peer.kill()
        peer.start({"HETMIG_DIE_AT": "receive/commit"})
        peer.wait_until_ready()
        options = ["--state", state, "--join", peer.endpoint, "--deadline", "10m"]
        node = Started(local.keys, *options)
        started.callback(node.kill)
        with node.connect() as nodes:
            task = nodes.submit(count, str(go))
            says(task, "counting")
            node.process.send_signal(signal.SIGTERM)
            assert peer.wait() < 0
            node.process.send_signal(signal.SIGTERM)
            code, out = node.end()
            fate, why = fates(out)[task.id]
            assert (code, fate) == (75, "kept")
            assert "handed to new, which has not confirmed it" in why
            peer.start()
            peer.wait_until_ready()
            started.callback(Started(local.keys, *options, port=node.port).kill)
            go.touch()
            assert_counted(task.result(TIMEOUT))


def test_killed_while_it_keeps_a_task(
    tmp_path: Path, start: Callable[..., Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the journal had of it before counts."""
    state, go = str(tmp_path / "state"), tmp_path / "go"
    monkeypatch.setenv(ONLY_THERE, "1")
    monkeypatch.setenv("HETMIG_DIE_AT", "image-written*2")  # the first is what was submitted
    node = start("--state", state)
    monkeypatch.delenv("HETMIG_DIE_AT")
    with node.connect() as nodes:
        task = nodes.submit(refused_elsewhere, str(go))
        says(task, "counting")
        node.process.send_signal(signal.SIGTERM)
        assert node.end()[0] == -signal.SIGKILL
        go.touch()
        start("--state", state, port=node.port)
        _, _, runs = task.result(TIMEOUT)
        assert runs == 2


def test_without_a_journal_what_is_lost_is_named(
    start: Callable[..., Started], refuge: LocalNodes, tmp_path: Path
) -> None:
    """What has moved has another home before this one ends, and who waits for it follows."""
    node = start("--state", "none", "--join", refuge[0].endpoint, "--deadline", "10m")
    with node.connect() as nodes:
        tasks = [
            nodes.submit(until_moved),
            nodes.submit(held, str(tmp_path / "go")),
            nodes.submit(count, str(tmp_path / "go")),
        ]
        for task, word in zip(tasks, ("waiting", "held", "counting"), strict=True):
            says(task, word)
        node.process.send_signal(signal.SIGTERM)
        assert tasks[0].result(TIMEOUT) == "new"
        while tasks[2].where() != "new":
            pass
        node.process.send_signal(signal.SIGTERM)
        with pytest.raises(hetmig.TaskLost, match="no journal"):
            tasks[1].result(TIMEOUT)
        code, out = node.end()
        (tmp_path / "go").touch()
        rounds, total = tasks[2].result(TIMEOUT)
        assert total == rounds * (rounds + 1) // 2
    told = fates(out)
    assert code == 1
    assert [told[task.id][0] for task in tasks] == ["moved", "lost", "moved"]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ([], 0),
        (["moved", "ended", "rehomed"], 0),
        (["moved", "kept"], 75),
        (["checkpointed"], 75),
        (["kept", "stays"], 1),
        (["lost"], 1),
        (["homeless"], 1),
    ],
)
def test_exit_codes(told: list[str], code: int) -> None:
    assert exit_code_of([{"fate": fate} for fate in told]) == code


def test_times() -> None:
    assert [time_span(text) for text in ("25", "25s", "0.5s", "2m", "1h")] == [
        25,
        25,
        0.5,
        120,
        3600,
    ]
