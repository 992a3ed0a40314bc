"""The page on observing and the example do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreters import ROOT

REASON = "needs hetmig[otel]"
pytest.importorskip("opentelemetry.trace", reason=REASON)
pytest.importorskip("opentelemetry.sdk.trace", reason=REASON)


def run(file: Path, directory: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=directory,
        env={**environment, "HOME": str(directory), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_program_of_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "observing.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.+?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    assert run(tmp_path / "program.py", tmp_path) == ""


def test_traced(tmp_path: Path) -> None:
    """The tree is the one that the page draws."""
    shown = run(ROOT / "examples" / "traced.py", tmp_path).splitlines()
    assert shown[:2] == ["the sum is 499500", "8 spans of 1 trace:"]
    tree = [line.replace("count, by ", "") for line in shown[2:]]
    assert [line for line in tree if not line.startswith("      ")] == [
        "a request, by us",
        "  submit east",
        "    run east",
        "    move east",
        "    run west",
    ]
    # Of two nodes' clocks, each by what it has measured itself: in that order, give or take.
    phases = ["      commit east", "      freeze east", "      rebuild west", "      transfer east"]
    assert sorted(tree[4:8]) == phases
