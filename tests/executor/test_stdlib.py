"""The standard library's own tests of executors pass on ours."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.executor.exceptions import REASONS

ROOT = Path(__file__).parent.parent.parent
SAMPLE = [
    *("FutureTests", "Initializer", "test_submit_keyword", "test_map_exception"),
    *("ExecutorShutdownTest.test_cancel_futures", "test_crash_during"),
]


def _interpreter(foreign) -> str:
    """This one, or one that comes with its own tests."""
    try:
        if importlib.util.find_spec("test.test_concurrent_futures.util") is not None:
            return sys.executable
    except ModuleNotFoundError:
        pass
    python = str(foreign("3.13"))
    there = [python, "-c", "import test.test_concurrent_futures.util"]
    if subprocess.run(there, capture_output=True).returncode != 0:
        pytest.skip("neither this Python nor 3.13 comes with its own tests of executors")
    return python


def _run(foreign, tmp_path, least, *names) -> str:
    command = [_interpreter(foreign), "-W", "ignore", "-m", "tests.executor.stdlib", *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= least
    return done.stdout


def test_some_of_the_standard_librarys_own_tests(foreign, tmp_path):
    _run(foreign, tmp_path, 25, *SAMPLE)


@pytest.mark.nightly
def test_all_the_standard_librarys_own_tests(foreign, tmp_path):
    said = _run(foreign, tmp_path, 60)
    assert [name for name in REASONS if f"{name}: " in said]
