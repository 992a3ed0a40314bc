"""The programs on the pages of executors and of the asyncio client, run as they stand there."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import hetmig
from hetmig.node.embedded import LocalNodes

DOCS = Path(__file__).parent.parent.parent / "docs"
PACKAGES = {"joblib": "import joblib", "tqdm": "task_map"}
"""What programs need besides, and by what text in them that is seen."""


def programs(needs: str = "") -> dict[str, str]:
    """Those that need a package, or none, by page and number."""
    found = {}
    for page in ("executors.md", "asyncio-client.md"):
        text = (DOCS / page).read_text("utf-8")
        each = re.findall(r"^```python\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
        for number, program in enumerate(each):
            uses = [name for name, sign in PACKAGES.items() if sign in program]
            if uses == ([needs] if needs else []):
                found[f"{page}-{number}"] = program
    return found


def run_program(program: str, monkeypatch, capsys) -> str:
    """What it prints, with two nodes of ours in place of those it names."""
    with LocalNodes(2, names=["laptop", "arm-box"]) as local:
        program = program.replace("tcp://127.0.0.1:7717", local[0].endpoint)
        program = program.replace("tcp://arm-box:7717", local[1].endpoint)
        for place, name in ((hetmig, "Executor"), (hetmig.aio, "connect")):
            ours = functools.partial(getattr(place, name), keys=local.keys)
            monkeypatch.setattr(place, name, ours)
        exec(compile(program, "a page", "exec"), {"__name__": "__main__"})
    shown = capsys.readouterr().out
    assert shown.count("\n") >= program.count("print(")
    return shown
