"""Each program on the pages of executors and of the asyncio client runs as it stands there."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import hetmig
from hetmig.node.embedded import LocalNodes

DOCS = Path(__file__).parent.parent.parent / "docs"
PROGRAMS = [
    pytest.param(page, number, id=f"{page}-{number}")
    for page in ("executors.md", "asyncio-client.md")
    for number in range((DOCS / page).read_text("utf-8").count("```python\n"))
]


@pytest.fixture(scope="module")
def local():
    with LocalNodes(2, names=["laptop", "arm-box"]) as nodes:
        yield nodes


@pytest.mark.parametrize(("page", "number"), PROGRAMS)
def test_a_program_runs(page, number, local, monkeypatch, capsys):
    text = (DOCS / page).read_text("utf-8")
    program = re.findall(r"^```python\n(.+?)^```", text, re.MULTILINE | re.DOTALL)[number]
    for package, used in (("joblib", "import joblib"), ("tqdm", "task_map")):
        if used in program:
            pytest.importorskip(package, reason=f"needs hetmig[{package}]")
    program = program.replace("tcp://127.0.0.1:7717", local[0].endpoint)
    program = program.replace("tcp://arm-box:7717", local[1].endpoint)
    for place, name in ((hetmig, "Executor"), (hetmig.aio, "connect")):
        monkeypatch.setattr(place, name, functools.partial(getattr(place, name), keys=local.keys))
    exec(compile(program, page, "exec"), {"__name__": "__main__"})
    shown = capsys.readouterr().out
    assert shown.count("\n") >= program.count("print(")
    if "# True cancelled" in program:
        assert shown == "True cancelled\n"
