"""The text the demo's job reads: the source of this Python's own standard library, packed."""

from __future__ import annotations

import sysconfig
import zlib
from pathlib import Path

from hetmig.demo.job import Library

__all__ = ["count", "standard_library"]

_NOT_PART_OF_IT = {"site-packages", "dist-packages", "__pycache__"}


def standard_library(limit: int | None = None) -> Library:
    """The first `limit` modules of the standard library (all by default), in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = [
        path
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and not _NOT_PART_OF_IT & set(path.relative_to(root).parts)
    ]
    packages: dict[str, list[tuple[str, bytes]]] = {}
    for path in paths[:limit]:
        name = path.relative_to(root)
        package = name.parts[0] if len(name.parts) > 1 else "modules"
        # Universal newlines, and some test files are deliberately not UTF-8.
        text = path.read_text("utf-8", errors="replace")
        packages.setdefault(package, []).append((name.as_posix(), zlib.compress(text.encode())))
    return sorted(packages.items())


def count(library: Library) -> int:
    """The number of files."""
    return sum(len(files) for _, files in library)
