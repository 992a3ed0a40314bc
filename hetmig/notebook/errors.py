"""Errors of tasks, shown as the notebook shows its own: with its cells and their lines."""

from __future__ import annotations

import linecache
import re
from typing import Any, TypeVar

from hetmig.errors import RemoteTraceback
from hetmig.notebook.cells import PREFIX

__all__ = ["brief", "shown_as_text", "traceback_of"]

E = TypeVar("E", bound=BaseException)
_PLACE = re.compile(r'^(?P<bar>[ |]*)  File "(?P<file>.+)", line (?P<line>\d+)(?P<rest>, in .+)?$')
_MARKS = re.compile(r"^[ |]*[~^]+ *$")
_OURS = re.compile(r"[/\\]hetmig[/\\]notebook[/\\]cells\.py$")  # as the node has it


def brief(error: E, text: str = "") -> E:
    """The same error, shown without our own frames: as one line, or as `text`."""
    shown = text or f"{type(error).__name__}: {error}"
    vars(error)["_render_traceback_"] = shown.splitlines
    return error


def traceback_of(shell: Any, error: BaseException) -> str:
    """The traceback of a task's exception as the notebook's user knows the code."""
    cause = error.__cause__
    if not isinstance(cause, RemoteTraceback):
        return ""
    return shown_as_text(shell, cause.text)


def shown_as_text(shell: Any, text: str) -> str:
    """A traceback as text: cells by their number, their lines as they were typed."""
    shown: list[str] = []
    lines = iter(text.strip("\n").splitlines())
    line = next(lines, None)
    while line is not None:
        place = _PLACE.match(line)
        if place is None:
            shown.append(line)
            line = next(lines, None)
            continue
        below, line = [], next(lines, None)
        indent = f"{place['bar']}    "
        while line is not None and line.startswith(indent) and not _PLACE.match(line):
            below.append(line)
            line = next(lines, None)
        if not _OURS.search(place["file"]):
            shown += _frame(shell, place, indent, below)
    return "\n".join(shown)


def _frame(shell: Any, place: re.Match[str], indent: str, below: list[str]) -> list[str]:
    label = shell.compile.format_code_name(place["file"])
    if label is None:
        return [place[0], *below]
    if not below:  # the node knows the code, and not its text
        source = linecache.getline(place["file"], int(place["line"])).strip()
        below = [f"{indent}{source}"] if source else []
    head = f"{place['bar']}  {' '.join(label)}, line {place['line']}{place['rest'] or ''}"
    return [head, *_without_prefix(below, indent)]


def _without_prefix(below: list[str], indent: str) -> list[str]:
    """Without what was put before the cell's last expression."""
    if not below or not below[0].startswith(indent + PREFIX):
        return below
    first = indent + below[0][len(indent) + len(PREFIX) :]
    marks = [
        indent + line[len(indent) + len(PREFIX) :] if _MARKS.match(line) else line
        for line in below[1:]
    ]
    return [first, *marks]
