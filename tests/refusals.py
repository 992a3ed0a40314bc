"""The page docs/refusals.md: what stays, in the words of the program, and what to do about it.

`python -m tests.refusals` writes the page anew; a test compares.  Nothing on it is written from
memory: the calls are the refused rows of `tests.shapes`, and each sentence about a value is the one
with which an example was refused just now.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import select
import ssl
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

import pytest

from hetmig import errors
from hetmig.state.image import freeze_value
from tests import data, shapes
from tests.state import data_shapes

PAGE = Path(__file__).parent.parent / "docs" / "refusals.md"

INSTEAD = {
    "language.super_and_class_cell": "nothing: it is over in a moment",
    "boundaries.arithmetic": "a method with a name of its own, if it works for long",
    "boundaries.text_protocols": "a method with a name of its own, if it works for long",
    "boundaries.finalizers_and_callbacks": "`with`, or a method `close`",
    "boundaries.sorted_key": "make the keys in a loop, then sort pairs of key and value",
    "boundaries.list_of_map": "a comprehension: `[f(x) for x in items]`",
    "boundaries.map_in_a_for": "`for x in items: y = f(x)`",
    "boundaries.sum_of_a_generator": "`for x in generator: total += x`",
    "boundaries.reduce": "a loop: `total = f(total, x)`",
    "boundaries.re_sub": "a loop over `re.finditer`",
    "boundaries.lru_cache": "a dict for what is known already, in the function itself",
    "boundaries.python_iterator": "a generator: write `__iter__` with `yield`",
    "generators.through_itertools": "`for x in generator`, with the rest in its body",
}
"""What to write in place of each refused shape, if it works for so long that it matters."""

CLEARER = {
    "driven by C: `zip`, `itertools.chain`": "a generator that C drives: `zip`, `itertools.chain`",
    "other open files": "files of plain `open()`",
    "other unions": "unions with fields that are not bytes",
}
"""Rows that are understood on their own page only."""

CARRIED = {
    "a suspended generator or coroutine does not travel inside data yet",
    "a lock may be held by another thread",
    "a weak reference is tied to this process",
    "a thread belongs to this process",
}
"""Reasons of the program's table that others come before, or that are left for what is rare."""


class Value(NamedTuple):
    """One kind of value that stays."""

    kind: str
    make: Callable[[], object]


class _Object:
    pass


def _held_weakly() -> object:
    return weakref.ref(_KEPT)


def _asyncio_future() -> object:
    loop = asyncio.new_event_loop()
    try:
        return loop.create_future()
    finally:
        loop.close()


_KEPT = _Object()

VALUES = [
    *(Value(row.kind, row.make) for rows in data.TABLE.values() for row in rows if row.refused),
    Value("a weak reference to an object that is reached in no other way", _held_weakly),
    Value("frames", sys._getframe),
    Value("`select.poll` and its like", select.poll),
    Value("TLS contexts", ssl.create_default_context),
    Value("futures of `asyncio`, but with the program that they belong to", _asyncio_future),
    Value("parsers of `xml.parsers.expat`", expat.ParserCreate),
    Value("`sys.flags`", lambda: sys.flags),
    Value("`sys.version_info`", lambda: sys.version_info),
]

_STAY = "keep the task here meanwhile: `with hetmig.pinned()`"
_HEAD = """\
# What can't move, and why

What stays where it is, in the words of the program. Being refused is harmless: the task goes on,
and whoever asked gets the reason, with the variable (`job.conn.sock`) or the call that is in the
way. What *does* move is in [shapes](shapes.md) and [data](data.md); [limits](limits.md) has the
whole story.

This page is made by `python -m tests.refusals` from the program's own tables and from what it says
when it is tried; a test compares.

## Calls that must return first

While one of these is at work, a request to move waits, and is refused at its deadline. It matters
only if what they call works for long. In the middle: a part of the reason that the error gives.

| in the middle of | the reason names | what to write instead |
|---|---|---|
"""
_VALUES = """
## Values that belong to one machine or process

| value | why it stays | what to do |
|---|---|---|
"""
_ABROAD = """
## Values that some destinations refuse

They travel, unless the destination can't have the same value. Then it says so before anything is
handed over.

| value | | its reason speaks of |
|---|---|---|
"""
_ERRORS = """
## The errors

All are subclasses of `hetmig.NotMigratable`, which has the `reason`, the `variable` and the
`frame`. After each of them the task is alive and well, where it was.

| error | meaning |
|---|---|
"""


def reason(value: Value) -> tuple[str, str]:
    """Why it stays, and what to do.  Fails if it does not stay."""
    culprit = value.make()
    try:
        with pytest.raises(errors.NotMigratable) as caught:
            freeze_value({"value": culprit}, name="job")
    finally:
        data_shapes.free(culprit)
    _, _, said = caught.value.reason.partition("cannot travel: ")
    why, _, what = re.sub(r"'Thread-\d+ .*?'", "'NAME'", said).partition("; ")
    assert why, caught.value.reason
    assert what, caught.value.reason
    return why, what.replace(_STAY, "[stay](data.md#where-a-task-must-stay)")


def rendered() -> str:
    """The page."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    refused = [row for rows in shapes.TABLE.values() for row in rows if row.refused]
    yield from (_row(_clear(row.shape), f"`{row.refused}`", INSTEAD[row.case]) for row in refused)
    yield _VALUES
    yield from _values()
    yield _ABROAD
    abroad = [row for rows in data.TABLE.values() for row in rows if row.abroad]
    yield from (_row(_clear(row.kind), row.note, f"`{row.abroad}`") for row in abroad)
    yield _ERRORS
    for name in errors.__all__:
        cls = getattr(errors, name)
        if issubclass(cls, errors.NotMigratable):
            text = " ".join((inspect.getdoc(cls) or "").split())
            yield _row(f"`{name}`", text)


def _values() -> Iterator[str]:
    kinds: dict[tuple[str, str], list[str]] = {}
    for value in VALUES:
        kinds.setdefault(reason(value), []).append(_clear(value.kind))
    yield from (_row("; ".join(found), why, what) for (why, what), found in kinds.items())


def _clear(kind: str) -> str:
    return CLEARER.get(kind, kind)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), "utf-8")
