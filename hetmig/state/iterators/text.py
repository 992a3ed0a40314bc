"""Iterators over parts of text and bytes: regular expressions, csv, struct, format strings.

Where these stand cannot be set.  So they are found again: a new one is stepped, by C code that has
no effects, until it stands at the very same place.
"""

from __future__ import annotations

import _csv
import _string  # type: ignore[import-not-found]  # the C part of `string`
import gc
import re
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.interpreter.iterators import insides_of
from hetmig.state.iterators.resumed import Reduced, primed, unwrapped

__all__ = ["REDUCERS"]

_Pattern = re.Pattern[Any]

# -- rebuilding; these names stand in parcels


def match(
    pattern: _Pattern, text: Any, limits: tuple[int, int], way: str, spans: Any
) -> re.Match[Any]:
    """The match of a pattern which has these spans."""
    for found in _WAYS[way](pattern, text, *limits):
        if found is not None and _spans(found) == spans:
            return found
    raise NotMigratable("the regular expressions of this Python find another match")


def scanner(pattern: Any, text: Any, limits: tuple[int, int], state: tuple[int, bool]) -> Any:
    """What is behind `re.finditer`, at this place of the text."""
    made = pattern.scanner(text, *limits)
    while _place(made) != state:
        if made.search() is None:
            raise NotMigratable("the regular expressions of this Python find other matches")
    return made


def format_parts(text: str, start: int) -> Iterator[Any]:
    """The parser of a format string, at this place."""
    made: Iterator[Any] = _string.formatter_parser(text)
    return _stepped(made, "start", start)


def field_parts(text: str, index: int) -> Iterator[Any]:
    """The parser of a replacement field's name, at this place."""
    made: Iterator[Any] = _string.formatter_field_name_split(text)[1]
    return _stepped(made, "index", index)


def csv_reader(source: Iterator[str], dialect: dict[str, Any], lines: int) -> Any:
    """A `csv.reader` that has read so many lines."""
    made = _csv.reader(primed(("",) * lines, source), **dialect)
    for _ in range(lines):
        next(made)
    return made


def csv_writer(write: Callable[[str], Any], dialect: dict[str, Any]) -> Any:
    """A `csv.writer` which hands its lines to `write`."""
    return _csv.writer(_Writing(write), **dialect)


def unpacker(format: str, size: int, order: str, data: Any, left: int) -> Iterator[Any]:
    """A `struct.iter_unpack` with so many items left."""
    made = struct.iter_unpack(format, data)
    native = format[:1] not in tuple("<>!")
    if struct.calcsize(format) != size or (native and size > 1 and order != sys.byteorder):
        raise NotMigratable(
            f"struct.iter_unpack({format!r}) reads other numbers on this machine: "
            "begin the format with '<' or '>'"
        )
    for _ in range(made.__length_hint__() - left):  # type: ignore[attr-defined]
        next(made)
    return made


class _Writing:
    """Has a method `write`, which is all that a csv.writer asks for."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self.write = write


def _stepped(iterator: Iterator[Any], name: str, place: int) -> Iterator[Any]:
    while insides_of(iterator)[name] != place:
        try:
            next(iterator)
        except (StopIteration, ValueError):
            raise NotMigratable("this Python takes a format string apart otherwise") from None
    return iterator


# -- reducing


_WAYS: dict[str, Callable[..., Iterator[re.Match[Any] | None]]] = {
    "search": lambda pattern, *where: iter([pattern.search(*where)]),
    "match": lambda pattern, *where: iter([pattern.match(*where)]),
    "fullmatch": lambda pattern, *where: iter([pattern.fullmatch(*where)]),
    "finditer": lambda pattern, *where: pattern.finditer(*where),
}


def _spans(found: re.Match[Any]) -> tuple[Any, ...]:
    return (found.regs, found.lastindex)


def _reduce_match(found: re.Match[Any]) -> Reduced:
    limits = (found.pos, found.endpos)
    for way in _WAYS:
        arguments = (found.re, found.string, limits, way, _spans(found))
        try:
            match(*arguments)
        except NotMigratable:
            continue
        return match, arguments
    raise NotMigratable("a match of a text that was changed meanwhile cannot be found again")


def _place(made: Any) -> tuple[int, bool]:
    """Where a scanner's next search begins (-1: it has ended), and whether past an empty match."""
    held = insides_of(made)
    if not held["start"]:
        return -1, False
    return (held["start"] - held["beginning"]) // held["charsize"], bool(held["must_advance"])


def _reduce_scanner(made: Any) -> Reduced:
    held = insides_of(made)
    arguments = (held["pattern"], held["string"], (held["pos"], held["endpos"]), _place(made))
    scanner(*arguments)  # or it was stepped by `match`, and cannot be found by searching
    return scanner, arguments


def _reduce_format_parts(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    return format_parts, (held["text"], held["start"])


def _reduce_field_parts(iterator: Any) -> Reduced:
    held = insides_of(iterator)
    return field_parts, (held["text"], held["index"])


_DIALECT = (
    "delimiter",
    "doublequote",
    "escapechar",
    "lineterminator",
    "quotechar",
    "quoting",
    "skipinitialspace",
    "strict",
)


def _dialect(owner: Any) -> dict[str, Any]:
    return {name: getattr(owner.dialect, name) for name in _DIALECT}


def _held_by(owner: Any) -> Any:
    """The iterator that a csv.reader reads, or the `write` that a csv.writer calls."""
    dialect, held, *_ = gc.get_referents(owner)
    if dialect is not owner.dialect:
        raise NotMigratable(f"this Python does not show what a {type(owner).__name__} is made from")
    return held


def _reduce_csv_reader(reader: Any) -> Reduced:
    return csv_reader, (unwrapped(_held_by(reader)), _dialect(reader), reader.line_num)


def _reduce_csv_writer(writer: Any) -> Reduced:
    return csv_writer, (_held_by(writer), _dialect(writer))


def _reduce_unpacker(iterator: Any) -> Reduced:
    parts = gc.get_referents(iterator)
    if len(parts) == 1:  # its type: at its end it lets the data go
        return iter, ((),)
    _, form, data = parts
    return unpacker, (form.format, form.size, sys.byteorder, data, iterator.__length_hint__())


_UNPACKER = type(struct.iter_unpack("b", b""))

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    re.Match: _reduce_match,
    type(re.compile("").scanner("")): _reduce_scanner,  # type: ignore[attr-defined]
    type(_string.formatter_parser("")): _reduce_format_parts,
    type(_string.formatter_field_name_split("")[1]): _reduce_field_parts,
    type(_csv.reader(())): _reduce_csv_reader,
    type(_csv.writer(_Writing(str))): _reduce_csv_writer,
    _UNPACKER: _reduce_unpacker,
}
