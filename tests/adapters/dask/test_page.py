"""The program of docs/dask.md runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

from tests.adapters.dask.cluster import cluster
from tests.interpreters import ROOT


def test_the_program_of_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "dask.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.+?)^```", page, re.MULTILINE | re.DOTALL)
    program = program.replace("300_000_000", "3_000_000")
    (tmp_path / "program.py").write_text(program)
    with cluster(tmp_path, "one"):
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    result, event = done.stdout.splitlines()
    assert result == str(sum(range(3_000_000)))
    assert event.startswith("begins {")
