"""The programs on the page about progress bars and logging."""

from __future__ import annotations

import functools
import logging
import re
from pathlib import Path

import pytest

import hetmig
from hetmig.node.embedded import LocalNodes

pytest.importorskip("tqdm", reason="tqdm is not there: pip install hetmig[test-adapters]")

PAGE = Path(__file__).parents[3] / "docs" / "progress.md"


def test_the_programs_of_the_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = re.findall(r"^```python\n(.+?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    namespace = {"__name__": "__main__"}
    with LocalNodes(2, names=["laptop", "arm-box"]) as local:
        monkeypatch.setattr(hetmig, "connect", functools.partial(hetmig.connect, keys=local.keys))
        for program in programs:
            text = program.replace("tcp://127.0.0.1:7717", local[0].endpoint)
            exec(compile(text, "progress.md", "exec"), namespace)
    shown = capsys.readouterr()
    assert "499500 (1000, 1000, 'pages')" in shown.out
    lines = [line for line in shown.err.splitlines() if line.startswith(("laptop", "arm-box"))]
    assert lines == [
        *(f"laptop work: page {number}" for number in range(6)),
        *(f"arm-box work: page {number}" for number in range(6, 10)),
    ]
