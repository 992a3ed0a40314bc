"""The example, by the command line in its docstring."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

from tests.interpreters import ROOT


def test_dask_cluster() -> None:
    done = subprocess.run(
        [sys.executable, "examples/dask_cluster.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "44850, on the workers 1 and 0: begins, moved, goes on\n" in done.stdout
    assert "the same result\n" in done.stdout
