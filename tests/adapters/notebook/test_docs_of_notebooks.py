"""Each cell on the page about notebooks is executed, in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

for package in ("IPython", "ipykernel", "jupyter_client"):
    pytest.importorskip(package, reason=f"{package} is not there: pip install hetmig[notebook]")

from tests.adapters.notebook.kernels import kernel  # noqa: E402

PAGE = Path(__file__).parents[3] / "docs" / "notebooks.md"


def test_the_cells_of_the_page() -> None:
    cells = re.findall(r"^```ipython\n(.+?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    with kernel() as notebook:
        shown = [notebook.good(cell).result.get("text/plain", "") for cell in cells]
        notebook.good("%hetmig --close")
    assert "('b', 332833500)" in shown
    assert "{10: 285, 100: 328350, 1000: 332833500}" in shown
    assert shown[-1] == "True"
