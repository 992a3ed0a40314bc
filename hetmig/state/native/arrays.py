"""`array.array` and `struct.Struct`: numbers in the format of the machine."""

from __future__ import annotations

import array
import pickle
import struct
import sys
import warnings
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state.native.numbers import Buffer, Form, converted

__all__ = ["BY_NAME", "REDUCERS", "new_array", "new_struct"]

_KINDS = {
    **dict.fromkeys("bhilq", "signed"),
    **dict.fromkeys("BHILQ", "unsigned"),
    **dict.fromkeys("uw", "text"),
    **dict.fromkeys("efd", "float"),
}


def reduce_array(pickler: Any, obj: array.array[Any]) -> Any:
    """An array: its type code is kept, and its numbers are those of the destination's size."""
    cls = type(obj)
    if cls.__reduce_ex__ is not array.array.__reduce_ex__ or obj.typecode not in _KINDS:
        return NotImplemented
    # a copy: while somebody still sends the memory of an array, its program can't append to it
    data = pickle.PickleBuffer(array.array.tobytes(obj))
    state = dict(getattr(obj, "__dict__", ())) or None
    return new_array, (cls, obj.typecode, obj.itemsize, sys.byteorder, data), state


def new_array(cls: type, code: str, size: int, order: str, data: Buffer) -> Any:
    """An array of these numbers.  Raises NotMigratable if one doesn't fit, or of unknown code."""
    made: Any = _empty(cls, code, size)
    kind = _KINDS[code]
    try:
        numbers = converted(data, Form(kind, size, order), Form(kind, made.itemsize))
    except NotMigratable as error:
        raise NotMigratable(f"array.array({code!r}): {error.reason}") from None
    array.array.frombytes(made, numbers)
    return made


def _empty(cls: type, code: str, size: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the type code, not of this use
        # "u" and "w" are the same where the former has 4 bytes; no version has both for ever
        other = {"u": "w", "w": "u"}.get(code, code)
        for candidate in (code, other):
            if candidate in array.typecodes:
                made: Any = array.array.__new__(cls, candidate)
                if candidate == code or made.itemsize == size:
                    return made
    raise NotMigratable(f"array.array has no type code {code!r} in this Python; use another one")


def reduce_struct(pickler: Any, obj: struct.Struct) -> Any:
    """A compiled format."""
    if type(obj) is not struct.Struct:
        return NotImplemented
    return new_struct, (obj.format, obj.size, sys.byteorder)


def new_struct(form: str, size: int, order: str) -> struct.Struct:
    """A compiled format.  Raises NotMigratable if it means other bytes here."""
    made = struct.Struct(form)
    if not means_the_same(form, size, order):
        raise NotMigratable(
            f"struct.Struct({form!r}) means other bytes on this machine: begin the format with "
            "'<' or '>'"
        )
    return made


def means_the_same(form: str, size: int, order: str) -> bool:
    """Whether a format, whose size was this on a machine of that byte order, is the same here."""
    if form[:1] in tuple("<>!"):
        return True
    single = not form.strip("@=0123456789 bBcsp?x")
    return struct.calcsize(form) == size and (order == sys.byteorder or single)


REDUCERS: dict[type, Any] = {array.array: reduce_array}
BY_NAME: dict[tuple[str, str], Any] = {
    ("_struct", "Struct"): reduce_struct,
    ("struct", "Struct"): reduce_struct,
    ("array", "array"): reduce_array,
}
