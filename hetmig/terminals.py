"""The terminal that a submitter has, as far as its tasks should know, for bars and colours."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

__all__ = ["terminal"]

_VARIABLES = ("TERM", "COLORTERM", "NO_COLOR")


def terminal() -> dict[str, Any]:
    """As the record of a task has it; nothing where standard output and error are none."""
    streams = [name for name in ("stdout", "stderr") if _is_terminal(getattr(sys, name))]
    if not streams:
        return {}
    columns, lines = shutil.get_terminal_size()
    found = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    environment = {"COLUMNS": str(columns), "LINES": str(lines), **found}
    return {"terminal": {"streams": streams, "environment": environment}}


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False
