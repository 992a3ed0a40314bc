"""Docstrings as they are written here: what is indented under a paragraph is shown as it stands."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Mark the indented blocks for reStructuredText."""
    app.connect("autodoc-process-docstring", _mark_blocks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _mark_blocks(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    marked: list[str] = []
    inside = False
    for line in lines:
        is_indented = line.startswith("  ")
        if is_indented and not inside and marked and not marked[-1]:
            marked += ["::", ""]
            inside = True
        elif line and not is_indented:
            inside = False
        marked.append(line)
    lines[:] = marked
