"""Numbers as a machine keeps them in memory: their size and byte order, and another machine's."""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple

from hetmig.errors import NotMigratable

__all__ = ["Buffer", "Form", "converted"]

Buffer = bytes | bytearray | memoryview

_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
_CODES: dict[str, dict[int, str]] = {
    "signed": _SIGNED,
    "unsigned": {size: code.upper() for size, code in _SIGNED.items()},
    "text": {size: code.upper() for size, code in _SIGNED.items()},
    "float": {2: "e", 4: "f", 8: "d"},
}
"""The `struct` module's codes of standard size."""


class Form(NamedTuple):
    """How numbers are kept."""

    kind: str
    """"signed", "unsigned", "float", or "text" for code units."""
    size: int
    order: str = sys.byteorder


def converted(data: Buffer, there: Form, here: Form) -> Buffer:
    """The bytes of the same numbers here.  Raises NotMigratable if one doesn't fit."""
    if there.kind != here.kind:
        raise NotMigratable(f"these are {there.kind} numbers there and {here.kind} here")
    if there.size == here.size:
        swapped = there.size > 1 and there.order != here.order
        return _swapped(data, there.size) if swapped else data
    count = memoryview(data).nbytes // there.size
    numbers = struct.unpack(_format(count, there), data)
    if there.kind == "text":
        _require_whole(numbers)
    try:
        return struct.pack(_format(count, here), *numbers)
    except (struct.error, OverflowError):
        raise NotMigratable(_overflow(numbers, here)) from None


def _swapped(data: Buffer, size: int) -> bytearray:
    made = bytearray(data)
    for index in range(size):
        made[index::size] = data[size - 1 - index :: size]
    return made


def _format(count: int, form: Form) -> str:
    return f"{'<' if form.order == 'little' else '>'}{count}{_CODES[form.kind][form.size]}"


def _require_whole(units: tuple[int, ...]) -> None:
    """Characters outside of 16 bits are one unit on some machines and two on others."""
    for unit in units:
        if unit > 0xFFFF or 0xD800 <= unit < 0xE000:
            raise NotMigratable(
                f"the character {chr(unit)!r} takes another number of places on this machine: "
                "keep such text in a str"
            )


def _overflow(numbers: tuple[int, ...], here: Form) -> str:
    number = max(numbers, key=abs)  # if one does not fit, nor does the largest
    return f"{number} does not fit into {8 * here.size} bits, which this type has on this machine"
