"""The standard library's own tests of files pass on files that are open at another node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_the_standard_librarys_own_tests_of_raw_files(tmp_path):
    _run(tmp_path, 40, "test_fileio", "test_file")


@pytest.mark.nightly
def test_all_the_standard_librarys_own_tests(tmp_path):
    _run(tmp_path, 150)


def _run(tmp_path, least, *modules):
    pytest.importorskip("test.test_fileio", reason="this Python comes without its own tests")
    command = [sys.executable, "-W", "ignore", "-m", "tests.redirection.stdlib", *modules]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed >= least
