"""The types of `ctypes`: what they mean on every machine, and how they are made again.

An integer type keeps its size: `c_long` of 64 bits is `c_longlong` where `long` has 32.  `c_int64`
is but another name of `c_long` on many machines, and whoever chose it meant the size.
"""

from __future__ import annotations

import ctypes
import operator
import sys
from collections.abc import Iterator
from typing import Any

import cloudpickle

from hetmig.errors import NotMigratable
from hetmig.state.native.numbers import Form

__all__ = [
    "DATA",
    "complete_class",
    "fields",
    "form_of",
    "layout_of",
    "reduce_type",
    "simple_type",
    "with_fields",
]

DATA: Any = ctypes.Structure.__mro__[-2]
"""ctypes' own base of all its data."""

_SIGNED = {1: ctypes.c_int8, 2: ctypes.c_int16, 4: ctypes.c_int32, 8: ctypes.c_int64}
_UNSIGNED = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
_FLOATS = {4: ctypes.c_float, 8: ctypes.c_double}
_KINDS: dict[str, tuple[str, dict[int, Any]]] = {
    **dict.fromkeys("bhilq", ("signed", _SIGNED)),
    **dict.fromkeys("BHILQc?", ("unsigned", _UNSIGNED)),
    **dict.fromkeys("fd", ("float", _FLOATS)),
    "u": ("text", {}),
}
_EXAMPLES: tuple[type, ...] = (
    *(ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._Pointer, ctypes._SimpleCData),
    *(ctypes.BigEndianStructure, ctypes.LittleEndianStructure),
    *(ctypes.BigEndianUnion, ctypes.LittleEndianUnion),
)
_METACLASSES = {type(cls): cls for cls in reversed(_EXAMPLES)}
"""Which have no names of their own in some versions."""


class _Sample(ctypes.Structure):
    _fields_ = (("x", ctypes.c_byte),)


_FIELD: type = type(_Sample.x)
_FIRST = ("_pack_", "_align_", "_layout_", "_anonymous_", "_fields_")
"""What is set on a class before all else, in this order."""
_NEEDED = ("_type_", "_length_")
_ORDER = "_hetmig_byte_order_"
_set_state: Any = cloudpickle.cloudpickle._class_setstate
_FUNCTION: type = ctypes.CFUNCTYPE(None).__mro__[1]
_SWAPPED_NAMES = {"big": "__ctype_be__", "little": "__ctype_le__"}
_SWAPPED = "__ctype_be__" if sys.byteorder == "little" else "__ctype_le__"


def fields(cls: Any) -> Iterator[tuple[str, Any, Any, int | None]]:
    """Name, descriptor, type and bits of each field, those of its bases first."""
    for base in reversed(cls.__mro__):
        for name, kind, *bits in vars(base).get("_fields_", ()):
            yield name, vars(base)[name], kind, bits[0] if bits else None


def _order(cls: Any) -> str:
    other = "big" if sys.byteorder == "little" else "little"
    swapped = ctypes.sizeof(cls) > 1 and getattr(cls, _SWAPPED, None) is cls
    return other if swapped else sys.byteorder


def form_of(cls: Any) -> Form | None:
    """How a simple type keeps its numbers; None for others."""
    if not issubclass(cls, ctypes._SimpleCData) or cls._type_ not in _KINDS:
        return None
    return Form(_KINDS[cls._type_][0], ctypes.sizeof(cls), _order(cls))


def layout_of(cls: Any) -> tuple[Any, ...]:
    """Everything that bytes of this type mean on this machine, as plain data."""
    size = ctypes.sizeof(cls)
    if issubclass(cls, ctypes.Array):
        return "array", cls._length_, layout_of(cls._type_)
    if issubclass(cls, ctypes.Structure | ctypes.Union):
        parts = tuple(
            (name, field.offset, field.size, layout_of(kind), bits)
            for name, field, kind, bits in fields(cls)
        )
        bit_order = sys.byteorder if any(part[-1] is not None for part in parts) else ""
        return size, bit_order, parts
    if (form := form_of(cls)) is None:
        raise NotMigratable(
            "a pointer in a union, or a long double, means nothing elsewhere; "
            "copy the field that counts"
        )
    return (form.kind, size, form.order if size > 1 else "")


# -- classes


def reduce_type(cls: Any) -> Any:
    """A type that ctypes has made on the fly, or that has two names; None for all others."""
    if cls in _METACLASSES:
        return type, (_METACLASSES[cls],)
    if type(cls) is type or DATA not in cls.__mro__:
        return None
    if issubclass(cls, ctypes.Array) and _is_made(cls):
        return operator.mul, (cls._type_, cls._length_)
    if issubclass(cls, ctypes._Pointer) and _is_made(cls):
        return ctypes.POINTER, (cls._type_,)
    if cls.__module__ == "ctypes" and (form := form_of(cls)) is not None:
        swapped = "" if form.order == sys.byteorder else form.order
        return simple_type, (cls.__qualname__, form.kind, form.size, swapped)
    if _FUNCTION in cls.__mro__ and hasattr(cls, "_flags_"):
        raise NotMigratable(
            "a type of C functions belongs to this process; make it where it is used"
        )
    return None


def _is_made(cls: Any) -> bool:
    """Whether an expression gives this very type again."""
    if not hasattr(cls, "_type_"):
        return False
    if issubclass(cls, ctypes.Array):
        return bool(cls._type_ * cls._length_ is cls)
    return ctypes.POINTER(cls._type_) is cls


def simple_type(name: str, kind: str, size: int, swapped: str) -> Any:
    """The simple type of this name, or else of this kind and size.

    Its byte order is the destination's own, if it was the source's own; or else the one named.
    """
    made: Any = getattr(ctypes, name)
    form = form_of(made)
    if kind != "text" and (form is None or (form.kind, form.size) != (kind, size)):
        made = _KINDS[made._type_][1][size]
    return getattr(made, _SWAPPED_NAMES[swapped]) if swapped else made


def complete_class(cls: type, state: tuple[dict[str, Any], Any]) -> None:
    """Give a class its members.  Raises NotMigratable if its byte order may not be this one's."""
    order = state[0].pop(_ORDER)
    if order and order != sys.byteorder:
        raise NotMigratable(
            f"whether {cls.__name__} means the byte order of the machine or always the source's is "
            "not known; define it in a module which both sides import"
        )
    _set_state(cls, state)


def with_fields(cls: Any, reduced: Any) -> Any:
    """How cloudpickle reduces a class, with what it does not know of structures and unions."""
    if type(cls) is type or DATA not in cls.__mro__:
        return reduced
    constructor, arguments, (attributes, slots), items, pairs, setter = reduced
    if not issubclass(cls, ctypes.Structure | ctypes.Union):
        # these have to be there when the class is made
        body = {name: attributes.pop(name) for name in _NEEDED if name in attributes}
        metaclass, name, bases, keywords, *rest = arguments
        arguments = metaclass, name, bases, {**keywords, **body}, *rest
        return constructor, arguments, (attributes, slots), items, pairs, setter
    kept = {name: value for name, value in attributes.items() if type(value) is not _FIELD}
    first = {name: kept.pop(name) for name in _FIRST if name in kept}
    explicit = hasattr(cls, "_swappedbytes_") or ctypes.sizeof(cls) < 2
    state = {_ORDER: "" if explicit else sys.byteorder, **first, **kept}, slots
    return constructor, arguments, state, items, pairs, complete_class
