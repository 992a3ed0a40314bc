"""What the files start is started here: the very commands, stopped as they say, with a task."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hetmig
from tests.adapters.deploy.files import ALL, here

TIMEOUT = 60
ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="services of POSIX")


def wait_for_a_word() -> str:
    return f"{hetmig.receive()} on {hetmig.here()}"


class Started:
    """A node, by a command line."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, "HOME": str(directory), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = ""
        while " listens on " not in self.said:
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line
        self.endpoint = re.findall(r"listens on (\S+?)[;,]", self.said)[0]

    def ended(self) -> str:
        """Wait for it; the rest of what it said."""
        rest, _ = self.process.communicate(timeout=TIMEOUT)
        return rest


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Started]:
    """Another node, which takes what has to leave."""
    keys = str(tmp_path / "keys")
    made = [sys.executable, "-m", "hetmig", "keys", "init", keys]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, env={**os.environ})
    command = [sys.executable, "-u", "-m", "hetmig", "node", "--name", "other"]
    command += ["--deadline", "2s", "--state", str(tmp_path / "other")]
    started = Started([*command, "--listen", "tcp://127.0.0.1:0", "--keys", keys], tmp_path)
    yield started
    started.process.terminate()
    started.ended()


@pytest.mark.parametrize("how", ALL)
def test_its_tasks_go_on_elsewhere_when_it_is_stopped(
    how: str, other: Started, tmp_path: Path
) -> None:
    deployed = ALL[how]()
    if any(word.startswith("--metrics") for word in deployed.start):
        pytest.importorskip("prometheus_client", reason="needs hetmig[prometheus]")
    command = here(deployed.start, tmp_path, "", join=other.endpoint)
    if how == "container":
        command += ["--join", other.endpoint]  # as one would, behind the image's name
    node = Started(command, tmp_path)
    keys = str(tmp_path / "keys")
    with (
        hetmig.connect(other.endpoint, keys=keys, echo=False) as elsewhere,
        hetmig.connect(node.endpoint, keys=keys, echo=False) as nodes,
    ):
        while "other" not in {known.name for known in nodes.nodes()}:
            pass
        task = nodes.submit(wait_for_a_word)
        for check in deployed.checks:
            asked = here(check, tmp_path, node.endpoint)
            subprocess.run(asked, check=True, timeout=TIMEOUT, cwd=ROOT, stdout=subprocess.DEVNULL)
        if deployed.stop is None:
            node.process.send_signal(signal.SIGTERM)
        else:
            stop = here(deployed.stop, tmp_path, node.endpoint)
            done = subprocess.run(
                stop, cwd=ROOT, timeout=TIMEOUT, capture_output=True, text=True, check=True
            )
            assert re.search(rf"^{task.id} .*other", done.stdout, re.MULTILINE), done.stdout
        rest = node.ended()
        assert node.process.returncode == 0, rest
        assert "stopped" in rest
        elsewhere.task(task.id).send("go on")
        assert elsewhere.task(task.id).result(TIMEOUT) == "go on on other"
