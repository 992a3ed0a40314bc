"""What a task logs, sent to its submitter as records: a handler above the root logger.

It is not a handler *of* the root: `logging.basicConfig` does nothing where there is one, and a
configuration that the program makes would remove it.  So a logger stands above the root, which no
name leads to.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["restore_levels", "send_records"]

_formatter = logging.Formatter()
_USUAL = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "taskName"}
_LEFT = ("args", "exc_info", "msg")
"""What may hold anything: their texts travel."""
_found_levels: list[tuple[logging.Logger, int]] = []


class _Sender(logging.Handler):
    """Sends records.  It has no lock: the channel has one, and who held ours could not move."""

    def __init__(self) -> None:
        super().__init__()
        self.process = 0
        self.about: dict[str, Any] = {}
        self.wanted: dict[str, int] = {}
        self.send: Callable[[bytes], None] = lambda piece: None

    def createLock(self) -> None:
        self.lock = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _sender_here, ()

    def handle(self, record: logging.LogRecord) -> bool:
        """Send it, if the submitter wants it."""
        under = self._under(record.name)
        if under is None or record.levelno < self.wanted[under]:
            return False
        if os.getpid() != self.process:  # a child of the task: its connection is not ours
            if logging.lastResort and record.levelno >= logging.lastResort.level:
                logging.lastResort.handle(record)
            return False
        try:
            piece = json.dumps({"under": under, "record": {**self.about, **_described(record)}})
        except Exception:  # in the arguments of the message, say
            self.handleError(record)
            return False
        self.send(piece.encode())
        return True

    def _under(self, name: str) -> str | None:
        """The nearest logger above that is wanted."""
        while name not in self.wanted:
            if not name:
                return None
            name = name.rpartition(".")[0]
        return name


class _Above(logging.Logger):
    """Hears what has gone up to the root, and further."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _above_here, ()


_sender = _Sender()
_above = _Above("above the root")
_above.addHandler(_sender)


def _sender_here() -> logging.Handler:
    return _sender


def _above_here() -> logging.Logger:
    return _above


def send_records(
    wanted: Sequence[Any], about: dict[str, Any], send: Callable[[bytes], None]
) -> None:
    """From now on send what these loggers hear, as pairs of name and level.

    `about` is added to each record.  A logger that lets less through is told to let it.
    """
    _sender.process, _sender.about, _sender.send = os.getpid(), about, send
    _sender.wanted = {"" if name == "root" else str(name): int(level) for name, level in wanted}
    logging.root.parent = _above
    for name, level in _sender.wanted.items():
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() > level:
            _found_levels.append((logger, logger.level))
            logger.setLevel(level)


def restore_levels() -> None:
    """What the program itself has set arrives, and counts."""
    while _found_levels:
        logger, level = _found_levels.pop()
        logger.setLevel(level)


def _described(record: logging.LogRecord) -> dict[str, Any]:
    """A record as JSON: its message and traceback as text, what else it has as far as JSON can."""
    items = {name: value for name, value in vars(record).items() if name not in _LEFT}
    for name, value in items.items():
        if name not in _USUAL:
            items[name] = _plain(value)
    items["msg"] = record.getMessage()
    items["name"] = record.name
    if record.exc_info and not record.exc_text:
        items["exc_text"] = _formatter.formatException(record.exc_info)
    return items


def _plain(value: object) -> object:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return repr(value)
