"""What tasks log, as records of the submitter's own `logging`.

    nodes.forward_logging()                  all loggers, at the level each has here
    nodes.forward_logging("crawler", "DEBUG")

From then on a task that is submitted through this connection has a handler which sends what its
loggers are told.  Here each record is handed to the logger of the same name, with three attributes
more: `node` (where the task was), `task` (its name) and `task_id`.
"""

from __future__ import annotations

import logging
from typing import Any

from hetmig.state.json_text import read_json

__all__ = ["Forwarded", "checked_level", "deliver"]


class Forwarded:
    """Which loggers of its tasks a connection wants to hear, and from which level on."""

    def __init__(self) -> None:
        self._levels: dict[str, int | None] = {}

    def add(self, logger: str, level: int | str | None) -> None:
        """This logger, and those below it.  Raises ValueError for an unknown level."""
        self._levels[logger] = None if level is None else checked_level(level)

    def settings(self) -> dict[str, Any]:
        """As the record of a task has them, with the levels that loggers have here, now."""
        if not self._levels:
            return {}
        return {
            "logging": [
                [name, _logger(name).getEffectiveLevel() if level is None else level]
                for name, level in self._levels.items()
            ]
        }


def checked_level(level: int | str) -> int:
    """The number of a level.  Raises ValueError for a name that means none."""
    if isinstance(level, int):
        return level
    if (number := logging.getLevelNamesMapping().get(level.upper())) is None:
        known = ", ".join(logging.getLevelNamesMapping())
        raise ValueError(f"{level!r} is no level of logging: one of {known}, or a number")
    return number


def deliver(piece: bytes) -> None:
    """Hand a record that a task has sent to the logger of its name."""
    told = read_json(piece)
    record = logging.makeLogRecord(told["record"])
    logger = _logger(record.name)
    if record.levelno >= _level_below(logger, told["under"]):
        logger.handle(record)


def _level_below(logger: logging.Logger, name: str) -> int:
    """The level that was set here for this logger itself, below the one that is forwarded."""
    top, at = _logger(name), logger
    while at is not top and at.parent is not None:
        if at.level:
            return at.level
        at = at.parent
    return logging.NOTSET


def _logger(name: str) -> logging.Logger:
    return logging.getLogger("" if name == "root" else name)
