"""The blocks of the pages that need an extra run where it is installed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from hetmig.node.embedded import LocalNodes
from tests.pages import NODES, PAGES, run_blocks
from tests.test_blocks import ELSEWHERE, EXTRAS

HERE = [name for name in EXTRAS if name in PAGES and name not in ELSEWHERE]


@pytest.mark.parametrize("name", HERE)
def test_the_blocks_run(name: str, tmp_path: Path) -> None:
    pytest.importorskip(EXTRAS[name], reason=f"{name} needs an extra")
    with contextlib.ExitStack() as stack:
        run_blocks(name, tmp_path, lambda: stack.enter_context(LocalNodes(len(NODES), names=NODES)))
