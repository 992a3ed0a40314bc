"""The node's log: as text for people, or as JSON for programs, one object a line.

Neither holds keys, payloads or anything of a task's own.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

__all__ = ["FORMATS", "start"]

FORMATS = ("text", "json")


class JsonLines(logging.Formatter):
    """An event with its fields; anything else as a message."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        about: dict[str, Any] = getattr(record, "about", {})
        line: dict[str, Any] = {
            "time": _utc(record.created),
            "level": record.levelname.lower(),
            "node": self._node,
        }
        line.update({name: about[name] for name in ("event", "task", "epoch") if about.get(name)})
        if about:
            line.update(about["details"])
        else:
            line.update(event="message", message=record.getMessage())
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start(form: str, node: str, *, verbose: bool = False) -> None:
    """Log to stderr in this form; warnings, or with `verbose` all, and as JSON events anyway."""
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(JsonLines(node))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    ours = logging.getLogger("hetmig")
    ours.setLevel(logging.DEBUG if verbose else logging.WARNING)
    if form == "json" and not verbose:
        ours.getChild("events").setLevel(logging.INFO)


def _utc(moment: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{int(moment % 1 * 1e6):06d}Z"
