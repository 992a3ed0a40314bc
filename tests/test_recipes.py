"""The recipes work as they are written: what is in the pages is what is run here.

Slurm's is the file docs/deploy/slurm.sh, which tests/adapters/deploy runs.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hetmig.cli import build_parser
from tests.commands.test_batch import STEPS, expected

RECIPES = Path(__file__).parent.parent / "docs" / "recipes"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="batch systems of POSIX")


def blocks(page: str, language: str) -> list[str]:
    text = (RECIPES / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.+?)^```", text, re.MULTILINE | re.DOTALL)


def command_of(pod: str) -> list[str]:
    """The command of the only container."""
    lines = [line.partition("#")[0] for line in pod.splitlines()]
    inside = [line.strip() for line in lines[lines.index("          command:") + 1 :]]
    return [line[2:] for line in inside[: inside.index("volumeMounts:")]]


def test_the_command_of_kubernetes(tmp_path: Path) -> None:
    """With the keys as a Secret's volume has them: files that can only be read."""
    (secret,), (job, _) = blocks("kubernetes.md", "bash"), blocks("kubernetes.md", "yaml")
    command = command_of(job)
    assert command[:2] == ["hetmig", "run"]
    assert build_parser().parse_args(command[1:]).checkpoint == "/saved/crunch"
    grace = re.search(r"terminationGracePeriodSeconds: (\d+)", job)
    assert grace is not None
    assert float(build_parser().parse_args(command[1:]).grace) < float(grace[1])

    gate = tmp_path / "gate"
    (tmp_path / "steps.py").write_text(STEPS)
    init = shlex.split(secret.splitlines()[0])
    assert init == ["hetmig", "keys", "init", "keys"]
    here = [sys.executable, "-m", *init]
    subprocess.run(here, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    made = sorted(path.name for path in (tmp_path / "keys").iterdir() if path.is_file())
    assert made == ["checkpoint.key_secret", "self.key", "self.key_secret"]
    (tmp_path / "keys" / "authorized").rmdir()  # a Secret has files only
    for name in made:
        (tmp_path / "keys" / name).chmod(0o400)
    (tmp_path / "keys").chmod(0o500)
    replaced = {"crunch.py": "steps.py", "data/": "5", "--keys=/keys": f"--keys={tmp_path}/keys"}
    replaced["--checkpoint=/saved/crunch"] = f"--checkpoint={tmp_path}/saved"
    pod = [sys.executable, "-m", *(replaced.get(word, word) for word in command), str(gate)]
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("HETMIG_NODE", None)

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            pod,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with start() as first:
        assert first.stdout is not None
        written = [first.stdout.readline().rstrip("\n") for _ in range(5)]
        first.send_signal(signal.SIGTERM)
        rest, said = first.communicate(timeout=60)
    assert first.returncode == 75, said
    gate.touch()
    with start() as second:
        more, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert [*written, *rest.splitlines(), *more.splitlines()] == expected(5)


def test_the_nodes_of_kubernetes_have_time_to_drain() -> None:
    """SIGTERM itself is tried in tests/commands/test_drain.py."""
    _, nodes = blocks("kubernetes.md", "yaml")
    command = command_of(nodes)
    assert command[:2] == ["hetmig", "node"]
    told = build_parser().parse_args(command[1:])
    grace = re.search(r"terminationGracePeriodSeconds: (\d+)", nodes)
    assert grace is not None
    assert told.deadline + 5 <= float(grace[1])
    assert build_parser().parse_args(["node"]).deadline + 5 <= 30
