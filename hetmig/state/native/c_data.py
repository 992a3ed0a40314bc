"""`ctypes` data: field by field, as the destination's own compiler would lay it out.

A structure, an array or a simple value arrives with the same values; what lies between its fields
does not.  A union is bytes with several meanings: it travels as its bytes, to where all of these
are the same.  Pointers that are not NULL, and memory that somebody else owns, stay.
"""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state.native.c_types import DATA, fields, form_of, layout_of
from hetmig.state.native.numbers import Form, converted

__all__ = ["fill_data", "member", "new_data", "reducer_of"]

_FUNCTIONS: Any = ctypes.CFUNCTYPE(None).__mro__[1]
_POINTERS: Any = (ctypes._Pointer, _FUNCTIONS)
_SIMPLE_POINTERS = frozenset("zZPOX")
_BASES: tuple[Any, ...] = (ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._SimpleCData)

_USED_OF_LONG_DOUBLE = (
    10
    if bytes(ctypes.c_longdouble(1))[7:10] == b"\x80\xff\x3f"
    else ctypes.sizeof(ctypes.c_longdouble)
)
"""Bytes; the rest of the x87's format is anything."""

_POINTER = "a pointer means nothing in another process; hold what it points to"


def reducer_of(cls: type) -> Callable[[Any, Any], Any] | None:
    """How an object of this type is taken apart, if it is one of ctypes'."""
    if DATA not in cls.__mro__:
        return None
    own_way = any(getattr(cls, name) is not getattr(DATA, name) for name in _OWN_WAY)
    return None if own_way else _reduce


_OWN_WAY = ("__reduce__", "__reduce_ex__")


def _reduce(pickler: Any, obj: Any) -> Any:
    base = obj._b_base_
    if base is not None:
        way = tuple(_way(base, type(obj), ctypes.addressof(obj) - ctypes.addressof(base)))
        return member, (base, way)
    if not obj._b_needsfree_:
        raise NotMigratable(
            "this ctypes object shows memory of something else; make it with from_buffer_copy"
        )
    if ctypes.sizeof(obj) != ctypes.sizeof(type(obj)):
        raise NotMigratable(
            "this ctypes object was given another size by ctypes.resize; make another one"
        )
    state = _content(obj), dict(getattr(obj, "__dict__", ())) or None
    return new_data, (type(obj),), state, None, None, fill_data


def new_data(cls: type) -> Any:
    """An object which holds zeros, made without the `__init__` of the program's own class."""
    base = next((base for base in _BASES if issubclass(cls, base)), None)
    return cls() if base is None else base.__new__(cls)


def fill_data(obj: Any, state: tuple[Any, dict[str, Any] | None]) -> None:
    """Give an object its values.  Raises NotMigratable if one doesn't fit."""
    content, attributes = state
    _fill(obj, content)
    vars(obj).update(attributes or {})


# -- parts of other objects


def _way(base: Any, cls: type, offset: int) -> Iterator[str | int]:
    """The fields and indices that lead from `base` to the part of this type at that offset."""
    kind: Any = type(base)
    while kind is not cls or offset:
        if issubclass(kind, ctypes.Array):
            kind = kind._type_
            step, offset = divmod(offset, ctypes.sizeof(kind))
            yield step
            continue
        for name, field, kind_of_field, bits in fields(kind):
            inside = 0 <= offset - field.offset < ctypes.sizeof(kind_of_field)
            if bits is None and inside and _leads_to(kind_of_field, cls, offset - field.offset):
                kind, offset = kind_of_field, offset - field.offset
                yield name
                break
        else:
            raise NotMigratable(
                _POINTER
                if _is_pointer(kind)
                else "this ctypes object shows a part of another one in its own way; make a copy"
            )


def _leads_to(kind: Any, cls: type, offset: int) -> bool:
    if kind is cls and not offset:
        return True
    if issubclass(kind, ctypes.Array):
        return _leads_to(kind._type_, cls, offset % ctypes.sizeof(kind._type_))
    return any(
        _leads_to(inner, cls, offset - field.offset)
        for _, field, inner, bits in fields(kind)
        if bits is None and 0 <= offset - field.offset < ctypes.sizeof(inner)
    )


def member(base: Any, way: tuple[str | int, ...]) -> Any:
    """A part of an object, which shares its memory."""
    for step in way:
        base = getattr(base, step) if isinstance(step, str) else base[step]
    return base


# -- contents


def _is_pointer(cls: Any) -> bool:
    if issubclass(cls, ctypes._SimpleCData):
        return cls._type_ in _SIMPLE_POINTERS
    return issubclass(cls, _POINTERS)


def _content(obj: Any) -> Any:
    """The values of an object, as plain data."""
    cls = type(obj)
    if _is_pointer(cls):
        if any(bytes(obj)):
            raise NotMigratable(_POINTER)
        return None
    if issubclass(cls, ctypes.Union):
        return layout_of(cls), bytes(obj)
    if issubclass(cls, ctypes.Array):
        return _items(obj)
    if issubclass(cls, ctypes.Structure):
        return [
            (name, field.__get__(obj) if bits is not None else _content(_part(obj, field, kind)))
            for name, field, kind, bits in fields(cls)
        ]
    return _value(obj)


def _value(obj: Any) -> Any:
    value = obj.value
    if obj._type_ == "g" and value == value:
        # Python sees a double of it: all of it, if that gives the same again
        used = _USED_OF_LONG_DOUBLE
        if bytes(obj)[:used] != bytes(ctypes.c_longdouble(value))[:used]:
            raise NotMigratable(
                "this long double is none that every machine can have; use c_double"
            )
    return value


def _items(array: Any) -> Any:
    if isinstance(array, ctypes.Array) and (form := form_of(array._type_)) is not None:
        return tuple(form), pickle.PickleBuffer(array)
    return [_content(_part_at(array, index)) for index in range(array._length_)]


def _part(obj: Any, field: Any, kind: Any) -> Any:
    return kind.from_buffer(obj, field.offset)


def _part_at(array: Any, index: int) -> Any:
    return array._type_.from_buffer(array, index * ctypes.sizeof(array._type_))


def _fill(obj: Any, content: Any) -> None:
    cls = type(obj)
    if _is_pointer(cls):
        return
    if issubclass(cls, ctypes.Union):
        _fill_union(obj, *content)
    elif issubclass(cls, ctypes.Array):
        _fill_array(obj, content)
    elif issubclass(cls, ctypes.Structure):
        _fill_structure(obj, content)
    else:
        obj.value = content
        _require_kept(obj.value, content, cls.__name__)


def _fill_union(union: Any, layout: Any, data: bytes) -> None:
    cls = type(union)
    if layout_of(cls) != layout:
        raise NotMigratable(
            f"the union {cls.__name__} is laid out in another way on this machine, and which of "
            "its fields is meant is not known: copy the field that counts"
        )
    ctypes.memmove(ctypes.addressof(union), data, len(data))


def _fill_array(array: Any, content: Any) -> None:
    if isinstance(content, tuple):
        there, data = content
        form = form_of(array._type_)
        assert form is not None
        try:
            numbers = converted(memoryview(data).cast("B"), Form(*there), form)
        except NotMigratable as error:
            raise NotMigratable(f"{type(array).__name__}: {error.reason}") from None
        ctypes.memmove(ctypes.addressof(array), bytes(numbers), ctypes.sizeof(array))
        return
    for index, item in enumerate(content):
        _fill(_part_at(array, index), item)


def _fill_structure(obj: Any, content: list[tuple[str, Any]]) -> None:
    cls = type(obj)
    here = list(fields(cls))
    if [name for name, *_ in here] != [name for name, _ in content]:
        raise NotMigratable(f"the structure {cls.__name__} has other fields here")
    for (name, field, kind, bits), (_, value) in zip(here, content, strict=True):
        if bits is None:
            _fill(_part(obj, field, kind), value)
        else:
            field.__set__(obj, value)
            _require_kept(field.__get__(obj), value, f"{cls.__name__}.{name}")


def _require_kept(here: Any, there: Any, name: str) -> None:
    if here != there and there == there:  # a NaN is none of its kind
        raise NotMigratable(f"{there!r} does not fit into {name}, as it is on this machine")
