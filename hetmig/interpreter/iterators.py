"""What the C structures of CPython's iterators hold, each with witnesses that prove it.

Sources: dictobject.c, setobject.c, odictobject.c, _collectionsmodule.c, memoryobject.c, sre.h and
unicode_format.h of CPython.
"""

from __future__ import annotations

import _string  # type: ignore[import-not-found]  # the C part of `string`
import collections
import ctypes
import operator
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.interpreter.insides import ABSENT, Insides, Witness
from hetmig.interpreter.itertools_insides import ITERTOOLS, anything

__all__ = ["INSIDES", "insides_of"]

Witnesses = Iterator[Witness]


# -- mappings and sets


def _dict_iterators() -> Witnesses:
    mapping = {"a": 1, "b": 2, "gone": 3, "c": 4}
    del mapping["gone"]
    own = {"mapping": mapping, "used": 3, "result": anything}
    for make in (dict.__iter__, dict.values, dict.items):
        made: Any = iter(make(mapping))
        yield made, {**own, "pos": 0, "len": 3}
        next(made)
        yield made, {**own, "pos": 1, "len": 2}
        list(made)
        yield made, {"mapping": ABSENT}
    for view in (mapping, mapping.values(), mapping.items()):
        made = reversed(view)
        yield made, {**own, "pos": 3, "len": 3}
        next(made)
        yield made, {**own, "pos": 2, "len": 2}


def _set_iterator() -> Witnesses:
    elements = {1, 2, 3}
    made = iter(elements)
    yield made, {"set": elements, "used": 3, "pos": 0, "len": 3}
    for _ in range(3):
        next(made)
    yield made, {"set": elements, "used": 3, "len": 0}
    elements.add(4)
    try:
        next(made)
    except RuntimeError:
        yield made, {"set": elements, "used": -1}


def _ordered_dict_iterator() -> Witnesses:
    mapping = collections.OrderedDict(a=1)
    for kind, made in {
        2: iter(mapping),
        3: reversed(mapping),
        4: iter(mapping.values()),
        6: iter(mapping.items()),
        7: reversed(mapping.items()),
    }.items():
        yield made, {"kind": kind, "mapping": mapping}


# -- other containers and text


def _deque() -> Witnesses:
    made: collections.deque[int] = collections.deque(maxlen=9)
    between = dict.fromkeys(("left", "right", "leftindex", "rightindex"), anything)
    for count in range(4):
        yield made, {"size": count, **between, "state": count, "maxlen": 9}
        made.append(count)


def _deque_iterators() -> Witnesses:
    items = collections.deque([1, 2])
    items.rotate(1)
    state = INSIDES[collections.deque].read(items)["state"]
    for make in (iter, reversed):
        made: Any = make(items)
        own = {"block": anything, "index": anything, "deque": items, "state": state}
        yield made, {**own, "counter": 2}
        next(made)
        yield made, {**own, "counter": 1}


def _memory_iterator() -> Witnesses:
    view = memoryview(b"abcde")
    made = iter(view)
    next(made)
    next(made)
    yield made, {"index": 2, "view": view, "length": 5}
    list(made)
    yield made, {"view": ABSENT}


_SCANNER = (
    "pattern* ptr:pointer beginning:pointer start:pointer end:pointer string* "
    "buf:pointer obj:pointer len itemsize readonly:int ndim:int format:pointer shape:pointer "
    "strides:pointer suboffsets:pointer internal:pointer "
    "pos endpos isbytes:int charsize:int match_all:int must_advance:int"
)


def _scanner() -> Witnesses:
    native = "le" if sys.byteorder == "little" else "be"
    yield from _scanned(re.compile(b"b?"), b"zabcd", bytes)
    wide = {"d": "latin1", "\u20ac": f"utf-16-{native}", "\U0001f600": f"utf-32-{native}"}
    for letter, encoding in wide.items():
        encode = operator.methodcaller("encode", encoding)
        yield from _scanned(re.compile("b?"), f"zabc{letter}", encode)


def _scanned(pattern: Any, text: Any, encode: Callable[[Any], bytes]) -> Witnesses:
    """A scanner over `text` from 1 to 3, which finds nothing at 1, then "b", then nothing at 3."""

    def lies_at(index: int) -> Callable[[int], bool]:
        data = encode(text[index:])
        return lambda raw: ctypes.string_at(raw, len(data)) == data

    made = pattern.scanner(text, 1, 3)
    own: dict[str, Any] = dict.fromkeys(INSIDES[type(made)].fields, anything)
    size = len(encode(text)) // len(text)
    own |= {"pattern": pattern, "string": text, "pos": 1, "endpos": 3, "charsize": size}
    own |= {"beginning": lies_at(0), "end": lies_at(3), "isbytes": int(isinstance(text, bytes))}
    for start, advance in ((1, 0), (1, 1), (3, 0), (3, 1)):
        yield made, {**own, "start": lies_at(start), "must_advance": advance}
        made.search()
    yield made, {"start": 0, "string": text}


def _formatter() -> Witnesses:
    text = "ab{c}d"
    made = _string.formatter_parser(text)
    yield made, {"text": text, "part": text, "start": 0, "end": 6}
    next(made)
    yield made, {"text": text, "part": text, "start": 5, "end": 6}


def _field_name() -> Witnesses:
    text = "first.second[third]"
    made = _string.formatter_field_name_split(text)[1]
    yield made, {"text": text, "part": text, "start": 5, "end": 19, "index": 5}
    next(made)
    yield made, {"text": text, "part": text, "start": 5, "end": 19, "index": 12}


# -- the whole


def _table() -> dict[type, Insides]:
    dict_iterator = Insides("mapping* used pos result:pointer len", _dict_iterators)
    deque_iterator = Insides("block:pointer index deque* state counter", _deque_iterators)
    empty: dict[Any, Any] = {}
    return {
        **ITERTOOLS,
        **dict.fromkeys(
            (
                *(type(iter(view)) for view in (empty, empty.values(), empty.items())),
                *(type(reversed(view)) for view in (empty, empty.values(), empty.items())),
            ),
            dict_iterator,
        ),
        type(iter(set())): Insides("set* used pos len", _set_iterator),
        type(iter(collections.OrderedDict())): Insides("kind:int mapping*", _ordered_dict_iterator),
        collections.deque: Insides(
            "size left:pointer right:pointer leftindex rightindex state maxlen", _deque
        ),
        type(iter(collections.deque())): deque_iterator,
        type(reversed(collections.deque())): deque_iterator,
        type(iter(memoryview(b""))): Insides("index view* length", _memory_iterator),
        type(re.compile("").scanner("")): Insides(_SCANNER, _scanner),  # type: ignore[attr-defined]
        type(_string.formatter_parser("")): Insides("text* part* start end", _formatter),
        type(_string.formatter_field_name_split("")[1]): Insides(
            "text* part* start end index", _field_name
        ),
    }


INSIDES: dict[type, Insides] = _table()
"""The structure of each type of iterator that does not tell its state."""


def insides_of(iterator: object) -> dict[str, Any]:
    """The fields of an iterator, as `Insides.read` gives them."""
    return INSIDES[type(iterator)].read(iterator)
