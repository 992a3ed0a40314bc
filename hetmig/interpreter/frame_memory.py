"""A live frame's memory, read in place: its parts, its variables, its value stack."""

from __future__ import annotations

import ctypes
import functools
from array import array
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, cast

from hetmig.interpreter import cpython
from hetmig.interpreter.layout import WORD, parts

__all__ = ["FrameMemory", "object_at", "reader", "reference_count"]

_TAG_BITS = 3
_TAGGED_INTEGER = 3
_UNCOUNTED = 1
_TAG_SHIFT = 2


class _FreeThreadedHead(ctypes.Structure):
    """An object's head where there is no GIL: references of its own thread, and of all others."""

    _fields_ = [
        ("thread", ctypes.c_void_p),
        ("flags", ctypes.c_uint16),
        ("mutex", ctypes.c_uint8),
        ("collector", ctypes.c_uint8),
        ("local", ctypes.c_uint32),
        ("shared", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
    ]


_SHARED_FLAGS = 2  # bits


_word_at = ctypes.c_void_p.from_address
_MOST = 1 << 24
_objects_at: Callable[[int], Any] = (ctypes.py_object * _MOST).from_address
_words_at: Callable[[int], Any] = (ctypes.c_size_t * _MOST).from_address
"""Places in memory, of which none is read before it is asked for.  A type of each number of places
that a frame has would take as long to make, at its first capture, as all else of that."""
_BEHIND_F_BACK = object.__basicsize__ + WORD
"""PyFrameObject: object head, f_back, f_frame."""


class FrameMemory:
    """A live frame's memory, read in place and never written.

    Valid only while the frame is suspended under the caller: keep none of the addresses.
    """

    __slots__ = ("_head", "_slots", "address")

    def __init__(self, frame: FrameType) -> None:
        head, slots = parts()
        self.address: int = _word_at(id(frame) + _BEHIND_F_BACK).value or 0
        self._head: Any = head.from_address(self.address)
        self._slots = self.address + slots

    @property
    def executable(self) -> int:
        """Address of the code object."""
        return (self._head.executable or 0) & ~_TAG_BITS

    @property
    def function(self) -> int:
        """Address of the function object."""
        return (self._head.function or 0) & ~_TAG_BITS

    @property
    def namespace(self) -> int:
        """Address of the dict that unoptimised code (a module, a class body) stores names in."""
        return self._head.locals or 0

    @property
    def previous(self) -> int:
        """Address of the interpreter frame this one returns to."""
        return self._head.previous or 0

    @property
    def owner(self) -> int:
        """Who holds the frame's memory (enum _frameowner)."""
        owner: int = self._head.owner
        return owner

    def entered_from(self, caller: FrameMemory) -> bool:
        """Whether the interpreter itself went from `caller` to this frame, without C between."""
        if cpython.ENTRY_FLAG and self._head.is_entry:
            return False
        return bool(self._head.previous == caller.address)

    def references(self, start: int, stop: int) -> list[int | None]:
        """Addresses of the objects in `localsplus[start:stop]`; 0 for NULL, None for a number.

        A tagged integer (no object at all) is never to be followed.
        """
        words: list[Any] = _words_at(self._slots)[start:stop]
        if not cpython.TAGGED_REFERENCES:
            return words
        return [None if w & _TAG_BITS == _TAGGED_INTEGER else w & ~_TAG_BITS for w in words]

    def plain(self, start: int, stop: int) -> list[object] | None:
        """The objects in `localsplus[start:stop]`; None if one of them is NULL or a number."""
        if cpython.TAGGED_REFERENCES:
            words = self.references(start, stop)
            return _objects(words) if all(words) else None
        try:
            found: list[object] = _objects_at(self._slots)[start:stop]
        except ValueError:  # one is NULL
            return None
        return found

    def objects(self, start: int, stop: int, null: object) -> list[object]:
        """The objects in `localsplus[start:stop]`, `null` for NULL.  No number may be there."""
        found = self.plain(start, stop)
        if found is not None:
            return found
        nothing = id(null)
        return _objects([word or nothing for word in self.references(start, stop)])

    def store(self, index: int, value: tuple[object] | None) -> None:
        """Write an object, or NULL, into `localsplus[index]`.

        Only for the frame of a generator that has not begun and which nobody else knows of.
        """
        slot = ctypes.c_size_t.from_address(self._slots + index * WORD)
        before = slot.value
        if value is None:
            slot.value = _null_word()
        else:
            address = id(value[0])
            count = reference_count(address)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(value[0]))
            # None, True and False are compared with their tag, which says that they are immortal
            immortal = cpython.TAGGED_REFERENCES and reference_count(address) == count
            slot.value = address | _UNCOUNTED if immortal else address
        if before and not (cpython.TAGGED_REFERENCES and before & _TAG_BITS):
            ctypes.pythonapi.Py_DecRef(ctypes.c_void_p(before))

    def number(self, index: int) -> int:
        """The number in `localsplus[index]`, where `references` says None."""
        slot = ctypes.c_ssize_t.from_address(self._slots + index * WORD)
        return slot.value >> _TAG_SHIFT


def _objects(addresses: Sequence[int | None]) -> list[object]:
    """The objects at these addresses."""
    words = array("Q" if WORD == 8 else "I", cast("Sequence[int]", addresses))
    found: list[object] = _objects_at(words.buffer_info()[0])[: len(words)]
    return found


@functools.lru_cache(maxsize=256)
def reader(count: int) -> Callable[[int], list[Any] | None]:
    """What reads so many places of `localsplus` from their address on; None if one is empty.

    Made once for each number: so it takes few steps.
    """
    objects, words = ctypes.py_object * count, ctypes.c_size_t * count

    def read(address: int) -> list[Any] | None:
        try:
            found: list[Any] = objects.from_address(address)[:]
        except ValueError:  # one is NULL
            return None
        return found

    def read_tagged(address: int) -> list[Any] | None:
        tagged = words.from_address(address)[:]
        plain = [word & ~_TAG_BITS for word in tagged if word & _TAG_BITS != _TAGGED_INTEGER]
        if len(plain) < count or not all(plain):
            return None
        copied = words(*plain)
        return objects.from_buffer(copied)[:]

    return read_tagged if cpython.TAGGED_REFERENCES else read


@functools.cache
def _null_word() -> int:
    """How an empty slot looks."""

    def known() -> Any:
        value = yield
        yield value

    memory = FrameMemory(known().gi_frame)
    return ctypes.c_size_t.from_address(memory._slots).value


def reference_count(address: int) -> int:
    """How many references an object has.  (From CPython 3.12 on only 32 bits say so.)"""
    if cpython.FREE_THREADED:
        head = _FreeThreadedHead.from_address(address)
        return int(head.local + (head.shared >> _SHARED_FLAGS))
    return ctypes.c_ssize_t.from_address(address).value & 0xFFFFFFFF


def object_at(address: int) -> Any:
    """The object at an address that came from `FrameMemory.references`."""
    return ctypes.cast(address, ctypes.py_object).value
