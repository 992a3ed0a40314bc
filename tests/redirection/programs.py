"""Tasks that use files and streams; run on nodes, sent by reference."""

from __future__ import annotations

import hetmig


def copy_lines(source: str, target: str, stops: list[str], policy: str = "home") -> int:
    """Number the lines of a file, and move after each of some lines."""
    count = 0
    with (
        hetmig.open(source, encoding="utf-8", policy=policy) as lines,
        hetmig.open(target, "w", encoding="utf-8", policy=policy) as out,
    ):
        for line in lines:
            count += 1
            out.write(f"{count} {line}")
            if stops:
                hetmig.migrate(stops.pop(0))
    return count
