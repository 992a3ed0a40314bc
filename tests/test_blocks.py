"""The code on the pages of the documentation runs as it stands there: see `tests.blocks`."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hetmig.node.embedded import LocalNodes
from tests.blocks import RUN, blocks_of
from tests.interpreters import ROOT, target
from tests.pages import NODES, PAGES, Reader, run_blocks

ELSEWHERE = {
    "CONTRIBUTING.md": ".ci/run",
    "README.md": "tests/test_docs.py",
    "docs/asyncio-client.md": "tests/executor/pages.py",
    "docs/dask.md": "tests/adapters/dask/test_page.py",
    "docs/executors.md": "tests/executor/pages.py",
    "docs/notebooks.md": "tests/adapters/notebook/test_docs_of_notebooks.py",
    "docs/observing.md": "tests/adapters/otel/test_pages.py",
    "docs/progress.md": "tests/adapters/progress/test_docs_of_progress.py",
    "docs/recipes/kubernetes.md": "tests/test_recipes.py",
    "docs/recipes/slurm.md": "tests/adapters/deploy/test_files.py",
    "docs/report.md": "tests/report/test_docs_page.py",
    "docs/testing.md": "tests/testing/test_docs.py",
}
"""Pages whose blocks other tests run."""
TARGETS = {"docs/tutorial.md": "3.14"}
"""Pages that need another interpreter."""
HERE = [
    name
    for name, page in PAGES.items()
    if name not in ELSEWHERE and any(block.is_run for block in blocks_of(page))
]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the terminals of the pages are bash")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Callable[[], LocalNodes]]:
    """The nodes beside which pages are run, started for the first that needs them."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda: stack.enter_context(LocalNodes(len(NODES), names=NODES)))


def test_each_block_says_what_it_is() -> None:
    known = {*RUN, "text", "bash", "yaml", "ipython", ""}
    for name, page in PAGES.items():
        for block in blocks_of(page):
            where = f"{name}:{block.line}"
            assert block.language in known, where
            assert name in ELSEWHERE or block.language not in ("bash", "yaml", "ipython"), where
            has_commands = re.search(r"^(\$ |hetmig |python |pip |pytest )", block.text, re.M)
            assert block.language or name in ELSEWHERE or not has_commands, where


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_runs_elsewhere_is_named_there(name: str) -> None:
    assert any(b.language in (*RUN, "bash", "yaml", "ipython", "") for b in blocks_of(PAGES[name]))
    text = (ROOT / ELSEWHERE[name]).read_text("utf-8")
    assert Path(name).name in text or ".[test]" in text


@pytest.mark.parametrize("name", HERE)
def test_the_blocks_run(name: str, tmp_path: Path, nodes: Callable[[], LocalNodes]) -> None:
    if name in TARGETS:
        target(TARGETS[name])
    run_blocks(name, tmp_path, nodes)


SCRIPT = """
import os, sys, time
print("begun", sys.argv[1:], flush=True)
while not os.path.exists("enough"):
    time.sleep(0.05)
print("crunched", flush=True)
"""


def test_the_terminal_of_the_readme(tmp_path: Path) -> None:
    (text,) = (b.text for b in blocks_of(PAGES["README.md"]) if b.text.startswith("hetmig node"))
    node, run, ps, mv, drain, batch = re.findall(r"^(hetmig .*?)  +#", text, re.MULTILINE)
    with contextlib.closing(Reader(tmp_path, None)) as reader:
        reader.write("crunch.py", SCRIPT)
        laptop = "--listen tcp://127.0.0.1:7717"
        box = "--listen tcp://127.0.0.1:7718 --join tcp://127.0.0.1:7717 --name arm-box"
        reader.type(f"{node} {laptop} &", ["node laptop listens"])
        reader.type(f"hetmig node {box} &", ["node arm-box listens"])
        reader.type(f"{run} &", ["begun ['data/']"])
        reader.type(ps, ["crunch.py ... running ... laptop"])
        reader.type(mv.replace(":7717", ":7718"), ["crunch.py went from laptop to arm-box"])
        reader.type(drain)
        reader.type("touch enough", ["crunched"])
        reader.type(f"unset HETMIG_NODE; {batch}", ["begun []", "crunched"])
