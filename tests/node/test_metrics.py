"""`hetmig node --metrics` and `--log json`: what is counted and told is what happened."""

from __future__ import annotations

import importlib
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hetmig
from hetmig.errors import HetmigError
from hetmig.node import metrics
from hetmig.node.events import EVENTS
from hetmig.node.keys import Keyring
from hetmig.node.metrics import address
from tests.interpreters import ROOT
from tests.node import programs

TIMEOUT = 60


def test_an_address_is_on_loopback_unless_it_says_more() -> None:
    assert address("9000") == ("127.0.0.1", 9000)
    assert address("0.0.0.0:9000") == ("0.0.0.0", 9000)
    assert address("[::1]:9000") == ("::1", 9000)
    for wrong in ("", "host", "host:port", "host:70000"):
        with pytest.raises(ValueError, match="HOST:PORT"):
            address(wrong)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HetmigError, match=r"pip install 'hetmig\[prometheus\]'"):
        metrics.require()


class Started:
    """`hetmig node` with metrics and a log of JSON."""

    def __init__(self, directory: Path, name: str = "a") -> None:
        self.keys = directory / "keys"
        if not self.keys.exists():
            Keyring.create(self.keys)
        self.log = directory / f"log of {name}"
        command = [sys.executable, "-u", "-m", "hetmig", "node", "--name", name, "--log", "json"]
        command += ["--listen", "tcp://127.0.0.1:0", "--keys", str(self.keys), "--metrics", "0"]
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=file, text=True
            )
        assert self.process.stdout is not None
        said = [self.process.stdout.readline() for _ in range(2)]
        self.url = re.findall(r"metrics at (\S+)", said[0])[0]
        self.endpoint = re.findall(r"listens on (\S+?)[;,]", said[1])[0]

    def counted(self) -> dict[str, float]:
        told = re.findall(r"^(hetmig_\S+) (\S+)$", self.scrape(), re.MULTILINE)
        return {name: float(number) for name, number in told}

    def scrape(self) -> str:
        with urllib.request.urlopen(self.url, timeout=TIMEOUT) as answer:
            text: str = answer.read().decode()
        return text

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=TIMEOUT)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Started]:
    pytest.importorskip("prometheus_client")
    started = Started(tmp_path)
    try:
        yield started
    finally:
        started.stop()


def test_what_happened_is_counted_and_logged(node: Started) -> None:
    with hetmig.connect(node.endpoint, keys=node.keys, echo=False) as nodes:
        task = nodes.submit(programs.add, 1, 2)
        assert task.result(TIMEOUT) == 3
        with pytest.raises(ValueError, match="on purpose"):
            nodes.submit(programs.fail, "on purpose").result(TIMEOUT)
        with pytest.raises(HetmigError):
            nodes.move("no-such-task", "nowhere", 1.0)
    counted = dict(re.findall(r"^(hetmig_\S+) (\S+)$", node.scrape(), re.MULTILINE))
    assert counted["hetmig_tasks_submitted_total"] == "2.0"
    assert counted['hetmig_tasks_ended_total{how="done"}'] == "1.0"
    assert counted['hetmig_tasks_ended_total{how="failed"}'] == "1.0"
    refused = [name for name in counted if name.startswith("hetmig_refusals_total{")]
    assert refused == ['hetmig_refusals_total{at="request",reason="TaskLost"}']
    assert counted["hetmig_draining"] == "0.0"
    assert float(counted['hetmig_runners{which="all"}']) >= 1
    assert {"hetmig_freeze_seconds_count", "hetmig_journal_sync_seconds_count"} <= counted.keys()
    documented = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    names = {re.sub(r"(_bucket|_count|_sum|_created)?(\{.*)?$", "", name) for name in counted}
    assert all(f"| `{name}" in documented for name in names if not name.endswith("_created"))
    lines = [json.loads(line) for line in node.log.read_text().splitlines()]
    assert all({"time", "level", "node", "event"} <= line.keys() for line in lines)
    assert {line["node"] for line in lines} == {"a"}
    of_task = [line for line in lines if line.get("task") == task.id]
    assert [line["event"] for line in of_task] == ["submitted", "begun", "ended"]
    assert of_task[2]["how"] == "done"
    assert of_task[2]["epoch"] == 1


def test_a_move_and_a_checkpoint_are_counted_on_either_side(node: Started, tmp_path: Path) -> None:
    other = Started(tmp_path, "b")
    try:
        with hetmig.connect(node.endpoint, keys=node.keys, echo=False) as nodes:
            task = nodes.submit(programs.wait_for_move)
            kept = task.checkpoint(tmp_path / "saved")
            hop = task.migrate(other.endpoint, TIMEOUT)
            assert task.result(TIMEOUT)[1] == "b"
            with pytest.raises(HetmigError):
                nodes.submit(programs.wait_for_move).migrate("tcp://127.0.0.1:9", 1.0)
            here, there = node.counted(), other.counted()
    finally:
        other.stop()
    assert here['hetmig_moves_total{direction="out"}'] == 1
    assert there['hetmig_moves_total{direction="in"}'] == 1
    assert here["hetmig_moved_bytes_total"] == hop.bytes
    assert here["hetmig_freeze_seconds_count"] == 1
    assert here["hetmig_freeze_seconds_sum"] == pytest.approx(hop.freeze_s)
    assert here["hetmig_checkpoints_total"] == 1
    assert here["hetmig_checkpoint_bytes_total"] == kept.bytes
    assert here["hetmig_checkpoint_freeze_seconds_count"] == 1
    assert here['hetmig_tasks{state="running"}'] == 1
    assert here['hetmig_refusals_total{at="source",reason="NodeUnreachable"}'] == 1
    assert there['hetmig_tasks_ended_total{how="done"}'] == 1


def test_every_event_is_documented() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \| (?:a |this |the journal)", page, re.MULTILINE) == list(
        EVENTS
    )
