"""Runs the tests of interpreter/ and state/ in other interpreters, each in a process of its own.

`python -m tests.other_versions s390x 3.12` prints a line of JSON for each that has ended.  It runs
one at a time until its standard input ends: somebody has a processor to spare then.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.interpreters import ROOT, with_pytest

__all__ = ["SECONDS", "Beside"]

SECONDS = 900
"""So long may the tests of one interpreter take."""
EMULATED_CPUS = ("s390x", "arm64", "armhf")
QUICK = "not slow and not exhaustive and not nightly"
EMULATED = (
    *("-m", QUICK, "-k", "not hot"),
    *(
        f"tests/interpreter/test_{name}.py"
        for name in ("layout", "stackmap", "standing", "insides")
    ),
    *(f"tests/interpreter/test_{name}.py" for name in ("reentry", "safepoint", "torture")),
    *("tests/state/test_image.py", "tests/state/test_generators.py"),
)
"""What depends on how objects lie in memory; all else is the same on every CPU."""
LIGHTLY = {"HETMIG_RANDOM_PROGRAMS": "3", "HETMIG_TORTURE": "3"}
OTHERS = {"HETMIG_RANDOM_PROGRAMS": "20", "HETMIG_TORTURE": "6"}
"""Other versions look at fewer safe points: most mistakes show in any version."""
NATIVE = (
    *("tests/interpreter", "tests/state", "tests/golden"),
    "--ignore=tests/state/test_portable_code.py",  # goes to other versions by itself
)


class Beside:
    """Such runs, in a process beside this one: a thread would be seen by the tests here."""

    def __init__(self, names: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *names],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ended: dict[str, dict[str, Any]] = {}

    def hurry(self) -> None:
        """This process only waits from now on."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def result(self, name: str) -> dict[str, Any]:
        """How the run of that interpreter has ended: `skipped`, or `code` and `output`."""
        assert self._process.stdout is not None
        while name not in self._ended:
            line = self._process.stdout.readline()
            assert line, "what runs the other interpreters has died"
            ended = json.loads(line)
            self._ended[ended["name"]] = ended
        return self._ended[name]

    def close(self) -> None:
        """End what still runs."""
        with self._process:
            self._process.terminate()


def _run(name: str, running: set[int]) -> dict[str, Any]:
    try:
        python, environment = with_pytest(name)
    except pytest.skip.Exception as skipped:
        return {"name": name, "skipped": str(skipped)}
    emulated = name in EMULATED_CPUS
    arguments, lighter = (EMULATED, LIGHTLY) if emulated else (NATIVE, OTHERS)
    # an environment that says how thoroughly is obeyed
    environment = {**lighter, **environment}
    code, output = _run_tests(python, environment, arguments, running)
    return {"name": name, "code": code, "output": output}


def _run_tests(
    python: Path, environment: dict[str, str], arguments: Sequence[str], running: set[int]
) -> tuple[int, str]:
    """Run pytest there; its exit code (negative: a signal) and the end of its output."""
    options = "-q -p no:cacheprovider -o timeout=120 -o faulthandler_timeout=100".split()
    with subprocess.Popen(
        [python, "-X", "faulthandler", "-m", "pytest", *options, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        running.add(process.pid)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired as expired:
            _kill(process.pid)
            output, _ = process.communicate()
            output += f"\n{expired}"
        finally:
            _kill(process.pid)  # what it has left behind
            running.discard(process.pid)
    return process.returncode, output[-20_000:]


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def main(names: Sequence[str]) -> None:
    """Run them all."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    running: set[int] = set()
    printing = threading.Lock()

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            ended = json.dumps(_run(name, running))
            with printing:
                print(ended, flush=True)

    def leave(*_: object) -> None:
        for group in list(running):
            _kill(group)
        os._exit(1)

    signal.signal(signal.SIGTERM, leave)
    first = threading.Thread(target=work)
    first.start()
    sys.stdin.read()
    work()
    first.join()


if __name__ == "__main__":
    main(sys.argv[1:])
