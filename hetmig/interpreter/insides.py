"""Reads the C structure of an object whose own methods do not tell its state.

A structure is declared field by field; ctypes knows sizes and alignment, so other machines follow.
A wrong declaration would make an address out of garbage and crash the process.  So before its
first use each declaration is compared, once per process, with objects whose contents are known:
addresses as numbers, without following one.  Reading changes nothing.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hetmig.errors import NotMigratable

__all__ = ["ABSENT", "Insides", "Witness", "numbers_at", "object_at", "tuple_at"]

_WORD = ctypes.sizeof(ctypes.c_void_p)


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""What stands for a NULL pointer."""

Witness = tuple[object, Mapping[str, object]]
"""An object, and what fields of it must hold: a number, an object, or what a function accepts.

The functions are asked last, when all around their fields is proven: they may follow pointers."""

_KINDS: Mapping[str, Any] = {
    "ssize": ctypes.c_ssize_t,
    "object": ctypes.c_void_p,
    "pointer": ctypes.c_void_p,
    "int": ctypes.c_int,
    "long": ctypes.c_long,
    "bool": ctypes.c_bool,
}


@dataclass(frozen=True)
class Insides:
    """The structure of one type: fields after the object's head, in order, up to the last needed.

    A field is declared as `name:kind`, an object as `name*`, a Py_ssize_t by its name alone, and
    `name:57` is an array of 57 pointers.  `witnesses` makes objects which together show each field.
    """

    declaration: str
    witnesses: Callable[[], Iterable[Witness]]

    @functools.cached_property
    def fields(self) -> dict[str, str]:
        """The kind of each field."""
        pairs = (word.replace("*", ":object").partition(":") for word in self.declaration.split())
        return {name: kind or "ssize" for name, _, kind in pairs}

    def read(self, obj: object) -> dict[str, Any]:
        """The fields of `obj`: numbers, objects, and ABSENT for NULL.

        Raises NotMigratable if this Python keeps them elsewhere.
        """
        reason = _proof(self)
        if reason:
            raise NotMigratable(
                f"this Python does not show the state of a {type(obj).__name__} ({reason}): "
                "use a loop or a list in its place, or finish it before a move"
            )
        return {
            name: (object_at(value) if value else ABSENT) if kind == "object" else value
            for (name, kind), value in zip(self.fields.items(), self._raw(obj), strict=True)
        }

    def _raw(self, obj: object) -> list[Any]:
        memory = _structure(self).from_address(id(obj))
        return [getattr(memory, name) or 0 for name in self.fields]

    def check(self) -> str:
        """Why the declaration is not right here; "" if it is."""
        if sys.implementation.name != "cpython":
            return f"{sys.implementation.name} is not CPython"
        shown: set[str] = set()
        for obj, expected in self.witnesses():
            if type(obj).__basicsize__ < ctypes.sizeof(_structure(self)):
                return "its structure is smaller than it should be"
            raw = dict(zip(self.fields, self._raw(obj), strict=True))
            for name in sorted(expected, key=lambda name: self._is_asked(expected, name)):
                if not self._agrees(name, raw[name], expected):
                    return f"{name} is not where it should be"
            shown |= expected.keys()
        unseen = ", ".join(sorted(self.fields.keys() - shown))
        return unseen and f"{unseen} could not be seen"

    def _is_asked(self, expected: Mapping[str, object], name: str) -> bool:
        return self.fields[name] != "object" and callable(expected[name])

    def _agrees(self, name: str, raw: Any, expected: Mapping[str, Any]) -> bool:
        value = expected[name]
        if self._is_asked(expected, name):
            return bool(value(raw))
        if self.fields[name] == "object":
            return bool(raw == (0 if value is ABSENT else id(value)))
        return bool(raw == value)


@functools.cache
def _structure(insides: Insides) -> type[ctypes.Structure]:
    head = ("head", ctypes.c_char * object.__basicsize__)
    fields = [
        (name, ctypes.c_void_p * int(kind) if kind.isdigit() else _KINDS[kind])
        for name, kind in insides.fields.items()
    ]
    return type("Structure", (ctypes.Structure,), {"_fields_": [head, *fields]})


@functools.cache
def _proof(insides: Insides) -> str:
    try:
        return insides.check()
    except (AttributeError, TypeError, ValueError) as error:
        return str(error)


def object_at(address: int) -> Any:
    """The object at an address that a proven structure holds."""
    return ctypes.cast(address, ctypes.py_object).value


def tuple_at(address: int, size: int) -> list[Any]:
    """The items of a tuple of C's own, in which some may be NULL: those are ABSENT."""
    # The items come last in the structure, and its basic size counts none of them.
    addresses = (ctypes.c_void_p * size).from_address(address + tuple.__basicsize__)
    return [object_at(item) if item else ABSENT for item in addresses]


def numbers_at(address: int, count: int) -> tuple[int, ...]:
    """An array of Py_ssize_t."""
    return tuple((ctypes.c_ssize_t * count).from_address(address)) if count else ()
