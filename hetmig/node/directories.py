"""Where the nodes of this user keep what must outlive them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["state_directory"]


def state_directory(*parts: str) -> Path:
    """`$XDG_STATE_HOME/hetmig/...`, https://specifications.freedesktop.org/basedir-spec/"""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base, "hetmig", *parts)
