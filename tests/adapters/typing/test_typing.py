"""`submit` checks its arguments against the function's, and knows the result's type."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    # neither is to look for what it could use of newer versions of itself
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


def mypy(tmp_path: Path) -> set[tuple[str, int]]:
    """Where it finds errors: the file's name, and the line."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("needs mypy, of hetmig[test-adapters]")
    files = [str(HERE / name) for name in ("right.py", "wrong.py")]
    done = run("mypy", "--strict", f"--cache-dir={tmp_path}", "--no-error-summary", *files)
    assert done.stderr == ""
    found = re.findall(r"(\w+\.py):(\d+): error", done.stdout)
    assert done.returncode == bool(found), done.stdout
    return {(name, int(line)) for name, line in found}


def pyright(tmp_path: Path) -> set[tuple[str, int]]:
    """The same."""
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("needs pyright, of hetmig[test-adapters]")
    files = [str(HERE / name) for name in ("right.py", "wrong.py")]
    done = run("pyright", "--outputjson", "--pythonpath", sys.executable, *files)
    try:
        told = json.loads(done.stdout[done.stdout.index("{") :])["generalDiagnostics"]
    except ValueError:
        pytest.skip(f"pyright does not run here: {(done.stderr or done.stdout)[-300:]}")
    return {
        (Path(error["file"]).name, error["range"]["start"]["line"] + 1)
        for error in told
        if error["severity"] == "error"
    }


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_errors_are_found_where_they_are_and_nowhere_else(checker, tmp_path):
    expected = {
        ("wrong.py", number)
        for number, line in enumerate((HERE / "wrong.py").read_text("utf-8").splitlines(), 1)
        if line.endswith("# error")
    }
    assert expected
    assert checker(tmp_path) == expected
