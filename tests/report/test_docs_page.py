"""The program on the report's page does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.interpreters import ROOT


def test_the_program_of_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "report.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.+?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "499500\n1 move\n", done.stderr
    assert "sum_up" in (tmp_path / "report.html").read_text("utf-8")
