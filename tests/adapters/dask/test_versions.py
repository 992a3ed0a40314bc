"""Two versions of Python in one cluster: a script's task goes from one to the other and back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

from packaging.requirements import Requirement

from tests.adapters.dask.cluster import cluster
from tests.interpreters import ROOT, RUNNING, target

OTHER = "3.13" if RUNNING == "3.12" else "3.12"
SCRIPT = """
import platform, sys, time
from pathlib import Path

import hetmig.dask
from distributed import Client


class Tally:  # no worker can import it
    def __init__(self):
        self.numbers = []

    def add(self, number):
        self.numbers.append(number)


def walk(count, gates, tally, log):
    stations = []
    for number in range(count):
        with open(log, "a") as file:
            file.write(f"{number}\\n")
        tally.add(number)
        while number in gates and not Path(gates[number]).exists():
            time.sleep(0.005)
        version = "%d.%d" % sys.version_info[:2]
        if stations[-1:] != [version]:
            stations.append(version)
    return sum(tally.numbers), stations


def main(file, directory):
    gates = {number: f"{directory}/gate-{number}" for number in (10, 20)}
    log = Path(directory, "log")
    with Client(scheduler_file=file, timeout=60) as client:
        hetmig.dask.install(client, patience=30)
        future = hetmig.dask.submit(
            client, walk, 30, gates, Tally(), str(log), workers=["one"], allow_other_workers=True
        )
        for number, to in ((10, "two"), (20, "one")):
            while not log.exists() or len(log.read_text().split()) <= number:
                time.sleep(0.01)
            hetmig.dask.move(future, to)
            Path(gates[number]).touch()
        print(*future.result(60))
    assert log.read_text().split() == [str(number) for number in range(30)]


if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def environment(directory: Path, python: Path) -> Path:
    """An environment of that interpreter with links to Dask, which runs as pure Python there."""
    subprocess.run([python, "-m", "venv", "--without-pip", directory], check=True, timeout=200)
    made = directory / "bin" / "python"
    (packages,) = directory.glob("lib/python*/site-packages")
    where = "import zmq, pathlib; print(pathlib.Path(zmq.__file__).parent.parent)"
    asked = [str(python), "-c", where]
    theirs = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout
    link(packages, Path(theirs.strip()).iterdir())
    wanted, seen = ["distributed"], set()
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        found = metadata.distribution(name)
        for requirement in map(Requirement, found.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
        tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
        link(packages, (Path(str(found.locate_file(top))) for top in tops))
    return made


def link(directory: Path, sources: Iterable[Path]) -> None:
    """Links to these, but to what is there already."""
    for source in sources:
        if source.exists() and not (directory / source.name).exists():
            (directory / source.name).symlink_to(source)


def test_a_script_s_task_between_two_versions(tmp_path: Path) -> None:
    python = environment(tmp_path / "other", target(OTHER))
    script = tmp_path / "walk.py"
    script.write_text(SCRIPT)
    with cluster(tmp_path, "one") as made:
        made.worker("two", python=str(python))
        command = [sys.executable, "-W", "ignore", str(script), str(made.file), str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == f"{sum(range(30))} ['{RUNNING}', '{OTHER}', '{RUNNING}']"
