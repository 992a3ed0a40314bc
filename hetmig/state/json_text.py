"""JSON from others, read with a cap on how deep it nests: what it holds is walked by recursion."""

from __future__ import annotations

import json
import re
from typing import Any

from hetmig.errors import TooLarge

__all__ = ["DEPTH", "read_json"]

DEPTH = 100
"""Arrays and objects within each other."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)


def read_json(
    text: bytes, depth: int = DEPTH, error: type[TooLarge] = TooLarge, setting: str = ""
) -> Any:
    """The value.  Raises ValueError if it is no JSON, `error` if it nests deeper than `depth`.

    `setting` is what raises that cap.
    """
    if text.count(b"[") + text.count(b"{") > depth:
        _require_shallow(text, depth, error, setting)
    return json.loads(str(text, "utf-8"))  # nothing else: the brackets were counted as UTF-8


def _require_shallow(text: bytes, depth: int, error: type[TooLarge], setting: str) -> None:
    level = 0
    for match in _BRACKETS.finditer(text):
        if match[1]:
            level += 1
            if level > depth:
                raise error(
                    f"JSON that nests deeper than the {depth} levels allowed by {setting}",
                    cap=depth,
                    value=level,
                    setting=setting,
                )
        elif match[2]:
            level -= 1
