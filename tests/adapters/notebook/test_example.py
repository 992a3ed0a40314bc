"""The notebook of the examples, executed as `jupyter` would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbclient: Any = pytest.importorskip("nbclient", reason="pip install hetmig[test-adapters]")
nbformat: Any = pytest.importorskip("nbformat", reason="pip install hetmig[test-adapters]")
pytest.importorskip("ipykernel", reason="pip install hetmig[test-adapters]")

EXAMPLE = Path(__file__).parents[3] / "examples" / "moving_cells.ipynb"
TIMEOUT = 120


def texts(cell: Any) -> str:
    """What a cell shows, as text."""
    shown = ""
    for output in cell.outputs:
        if output.output_type == "stream":
            shown += output.text
        elif output.output_type == "error":
            shown += "\n".join(output.traceback)
        else:
            shown += output.data["text/plain"] + "\n"
    return shown


def test_the_example() -> None:
    notebook = nbformat.read(EXAMPLE, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), (
        "its outputs are for its readers"
    )
    nbclient.NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3").execute()
    shown = {cell.source: texts(cell) for cell in notebook.cells if cell.cell_type == "code"}

    def of(beginning: str) -> str:
        (found,) = [text for source, text in shown.items() if source.startswith(beginning)]
        return found

    counts = of("%%migratable --on a")
    assert "100 % numbers" in counts
    assert "a -> b: frozen" in counts
    assert "{'a': 1754, 'b': 1491}" in counts
    assert of("max(found") == "29989\n"
    assert "digits" in of("%ps")
    assert of("%mv digits b").startswith("a -> b: frozen")
    assert of("%wait").endswith("True\n")
    assert of("print(") == "ended on b\n"
    assert "line 3, in <module>\n    half / (half - half)" in of("%%migratable\nhalf")
    assert of("half") == "15000\n"
