"""The submitter's terminal, for a task that asks whether it writes to one, and how large it is."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["streams", "terminal_size", "use"]

_VARIABLES = ("COLUMNS", "LINES", "TERM", "COLORTERM", "NO_COLOR")
_DESCRIPTORS = {1: "stdout", 2: "stderr"}
_original = os.get_terminal_size

streams: set[str] = set()
"""Which of the submitter's streams are terminals, and show at once what is written here."""


def use(terminal: dict[str, Any]) -> None:
    """The submitter has this one: which streams go there, and what its environment says of it."""
    streams.update(name for name in terminal["streams"] if name in _DESCRIPTORS.values())
    for name, value in terminal["environment"].items():
        if name in _VARIABLES and type(value) is str:
            os.environ[name] = value
    os.get_terminal_size = terminal_size


def terminal_size(fd: int = 1, /) -> os.terminal_size:
    """As `os.get_terminal_size`; the pipes of a task are as large as what they lead to."""
    if _DESCRIPTORS.get(fd) in streams:
        try:
            return os.terminal_size((int(os.environ["COLUMNS"]), int(os.environ["LINES"])))
        except (KeyError, ValueError):  # the program has changed them
            pass
    return _original(fd)
