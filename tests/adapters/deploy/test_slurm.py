"""The batch script under a small cluster that does what its header asks for."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.deploy.files import text
from tests.commands.test_batch import STEPS, expected, saved

TIMEOUT = 60

pytestmark = pytest.mark.skipif(os.name != "posix", reason="batch systems of POSIX")

KNOWN = {
    "job-name": r"[\w-]+",
    "time": r"(\d+-)?\d+:\d\d:\d\d",
    "signal": r"(B:)?(TERM|INT|USR1|USR2)@\d+",
    "requeue": "",
    "open-mode": "append|truncate",
}
"""Options of sbatch, and what they look like."""


class Cluster:
    """One queue with one job: `sbatch`, the wall time, `scontrol requeue`."""

    def __init__(self, directory: Path, script: Path) -> None:
        self.directory, self._script = directory, script
        self.options = self._read(script.read_text())
        self._tools = directory / "bin"
        self._tools.mkdir()
        self._queue = directory / "queue"
        python = shlex.quote(sys.executable)
        self._tool("hetmig", f'exec {python} -m hetmig "$@"')
        self._tool(
            "scontrol", f'test "$1" = requeue && echo "$2" >>{shlex.quote(str(self._queue))}'
        )

    def _read(self, script: str) -> dict[str, str]:
        """As sbatch does: lines before the first command.  An unknown option is an error."""
        options = {}
        assert script.startswith("#!/bin/bash\n")
        for line in script.splitlines():
            if line and not line.startswith("#"):
                break
            if line.startswith("#SBATCH "):
                (word,) = shlex.split(line)[1:]
                name, _, value = word.removeprefix("--").partition("=")
                assert re.fullmatch(KNOWN[name], value), line
                options[name] = value
        return options

    def _tool(self, name: str, line: str) -> None:
        (self._tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (self._tools / name).chmod(0o755)

    @property
    def requeued(self) -> list[str]:
        return self._queue.read_text().split() if self._queue.exists() else []

    def start(self) -> subprocess.Popen[str]:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "PATH": f"{self._tools}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "4711",
            "SLURM_RESTART_COUNT": str(len(self.requeued)),
        }
        environment.pop("HETMIG_NODE", None)
        return subprocess.Popen(
            ["bash", str(self._script)],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wall_time_is_near(self, job: subprocess.Popen[str]) -> None:
        """To the batch shell alone if that is what `B:` asks for."""
        to, _, rest = self.options["signal"].rpartition(":")
        assert to == "B"
        job.send_signal(signal.Signals[f"SIG{rest.partition('@')[0]}"])


def test_a_job_outlives_two_wall_times(tmp_path: Path) -> None:
    script, gates = text("slurm.sh"), [tmp_path / f"gate{n}" for n in (1, 2)]
    assert script.count("crunch.py data/") == 1
    programs = (tmp_path / "steps.py", tmp_path / "job.sh")
    programs[0].write_text(STEPS)
    programs[1].write_text(script.replace("crunch.py data/", f"steps.py 5 {gates[0]}"))
    cluster = Cluster(tmp_path, programs[1])
    seconds = int(cluster.options["signal"].rpartition("@")[2])
    (grace,) = re.findall(r"--grace (\d+)", script)
    assert int(grace) < seconds
    assert "requeue" in cluster.options
    written = ""
    for times in (1, 2):
        with cluster.start() as job:
            assert job.stdout is not None
            wanted = 5 if times == 1 else 0
            written += "".join(job.stdout.readline() for _ in range(wanted))
            if times == 2:  # it has gone on, which its first words say
                assert job.stderr is not None
                assert "checkpoint" in job.stderr.readline()
            cluster.wall_time_is_near(job)
            rest, said = job.communicate(timeout=TIMEOUT)
        assert job.returncode == 75, said
        assert cluster.requeued == ["4711"] * times
        assert saved(tmp_path / "home" / "saved" / "4711")
        written += rest
    gates[0].touch()
    with cluster.start() as job:
        rest, said = job.communicate(timeout=TIMEOUT)
    assert job.returncode == 0, said
    assert (written + rest).splitlines() == expected(5)
    assert cluster.requeued == ["4711"] * 2
