"""Where this CPython keeps a frame's parts, and the self-check that proves it.

A wrong offset would read garbage or crash the process, so nothing here is used before
`require()` has compared it, once per process, with frames whose contents are known.  Sources:
`_PyInterpreterFrame` in CPython's pycore_frame.h (3.11, 3.12) and, from 3.13 on, the table
`_Py_DebugOffsets` that CPython publishes at the start of `_PyRuntime` for debuggers.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from hetmig.errors import UnsupportedInterpreter
from hetmig.interpreter import cpython

__all__ = [
    "FrameLayout",
    "FrameMemory",
    "LayoutReport",
    "reader",
    "require",
    "self_check",
    "slots_offset",
]

_WORD = ctypes.sizeof(ctypes.c_void_p)
_TAG_BITS = 3
_TAGGED_INTEGER = 3
_UNCOUNTED = 1
_TAG_SHIFT = 2


class _Frame311(ctypes.Structure):
    _fields_ = [
        ("function", ctypes.c_void_p),
        ("globals", ctypes.c_void_p),
        ("builtins", ctypes.c_void_p),
        ("locals", ctypes.c_void_p),
        ("executable", ctypes.c_void_p),
        ("frame_obj", ctypes.c_void_p),
        ("previous", ctypes.c_void_p),
        ("instr", ctypes.c_void_p),
        ("stacktop", ctypes.c_int),
        ("is_entry", ctypes.c_bool),
        ("owner", ctypes.c_char),
        ("localsplus", ctypes.c_void_p),
    ]


class _Frame312(ctypes.Structure):
    _fields_ = [
        ("executable", ctypes.c_void_p),
        ("previous", ctypes.c_void_p),
        ("function", ctypes.c_void_p),
        ("globals", ctypes.c_void_p),
        ("builtins", ctypes.c_void_p),
        ("locals", ctypes.c_void_p),
        ("frame_obj", ctypes.c_void_p),
        ("instr", ctypes.c_void_p),
        ("stacktop", ctypes.c_int),
        ("return_offset", ctypes.c_uint16),
        ("owner", ctypes.c_char),
        ("localsplus", ctypes.c_void_p),
    ]


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


@dataclass(frozen=True)
class FrameLayout:
    """Offsets in bytes into the interpreter's own frame structure."""

    executable: int
    previous: int
    function: int
    locals: int
    owner: int
    localsplus: int
    is_entry: int | None = None


@dataclass
class LayoutReport:
    """The outcome of the self-check."""

    ok: bool
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def _published_offsets() -> FrameLayout:
    """Read `_Py_DebugOffsets.interpreter_frame`.

    The table is a sequence of unsigned 64-bit numbers, grouped; the groups before ours differ
    between versions, so ours is found by its content: `previous` directly follows `executable`
    (offset 0), and the frame's size, which comes first, is larger than its largest offset.
    """
    head = (ctypes.c_char * 512).in_dll(ctypes.pythonapi, "_PyRuntime").raw
    if head[:8] != b"xdebugpy":
        raise UnsupportedInterpreter("_PyRuntime does not start with CPython's table of offsets")
    numbers = struct.unpack_from("=61Q", head, 24)
    for i in range(len(numbers) - 5):
        size, previous, executable, instr, localsplus, owner = numbers[i : i + 6]
        fits = instr < owner < localsplus <= size and previous == _WORD and executable == 0
        if fits and instr == 7 * _WORD:
            function = previous + _WORD  # then globals, builtins, locals
            return FrameLayout(
                executable, previous, function, function + 3 * _WORD, owner, localsplus
            )
    raise UnsupportedInterpreter("CPython's table of offsets has no frame that we understand")


def _declared_offsets() -> FrameLayout:
    layout = _Frame311 if cpython.ENTRY_FLAG else _Frame312
    return FrameLayout(
        executable=layout.executable.offset,
        previous=layout.previous.offset,
        function=layout.function.offset,
        locals=layout.locals.offset,
        owner=layout.owner.offset,
        localsplus=layout.localsplus.offset,
        is_entry=_Frame311.is_entry.offset if cpython.ENTRY_FLAG else None,
    )


@functools.cache
def _layout() -> FrameLayout:
    return _published_offsets() if cpython.PUBLISHED_OFFSETS else _declared_offsets()


@functools.cache
def _parts() -> tuple[type[ctypes.Structure], int]:
    """The structure of a frame, as far as anybody asks for it, and where its variables begin."""
    offsets = {name: at for name, at in vars(_layout()).items() if at is not None}
    slots = offsets.pop("localsplus")
    fields = [(f"_{name}", _part(name, at)) for name, at in offsets.items()]
    body = {"_anonymous_": [name for name, _ in fields], "_fields_": fields}
    head = type("_Head", (ctypes.Union,), body)
    if any(getattr(head, name).offset != at for name, at in offsets.items()):
        raise UnsupportedInterpreter("a part of a frame is where nothing of its size can be")
    return head, slots


def _part(name: str, at: int) -> type[ctypes.Structure]:
    kind = ctypes.c_ubyte if name in ("owner", "is_entry") else ctypes.c_void_p
    fields = [(f"before_{name}", ctypes.c_char * at), (name, kind)]
    return type("_Part", (ctypes.Structure,), {"_fields_": fields})


_word_at = ctypes.c_void_p.from_address
_BEHIND_F_BACK = object.__basicsize__ + _WORD
"""PyFrameObject: object head, f_back, f_frame."""


class FrameMemory:
    """A live frame's memory, read in place and never written.

    Valid only while the frame is suspended under the caller: keep none of the addresses.
    """

    __slots__ = ("_head", "_slots", "address")

    def __init__(self, frame: FrameType) -> None:
        head, slots = _parts()
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
        array = (ctypes.c_size_t * (stop - start)).from_address(self._slots + start * _WORD)
        words = array[:]
        if not cpython.TAGGED_REFERENCES:
            return list(words)
        return [None if w & _TAG_BITS == _TAGGED_INTEGER else w & ~_TAG_BITS for w in words]

    def plain(self, start: int, stop: int) -> list[object] | None:
        """The objects in `localsplus[start:stop]`; None if one of them is NULL or a number."""
        return reader(stop - start)(self._slots + start * _WORD)

    def objects(self, start: int, stop: int, null: object) -> list[object]:
        """The objects in `localsplus[start:stop]`, `null` for NULL.  No number may be there."""
        found = self.plain(start, stop)
        if found is not None:
            return found
        return [object_at(word) if word else null for word in self.references(start, stop)]

    def store(self, index: int, value: tuple[object] | None) -> None:
        """Write an object, or NULL, into `localsplus[index]`.

        Only for the frame of a generator that has not begun and which nobody else knows of.
        """
        slot = ctypes.c_size_t.from_address(self._slots + index * _WORD)
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
        slot = ctypes.c_ssize_t.from_address(self._slots + index * _WORD)
        return slot.value >> _TAG_SHIFT


def slots_offset() -> int:
    """Bytes from the interpreter's frame to its first local variable."""
    return _parts()[1]


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


def _probe(first: object, second: object, inspect: Callable[..., Any]) -> Any:
    """A frame whose locals and value stack are known: three values are pending below the call."""
    third = [first, second]
    return (first, second, third, inspect(sys._getframe(), third))[3]


def _check_contents(frame: FrameType, third: object) -> str:
    memory = FrameMemory(frame)
    code = frame.f_code
    if memory.executable != id(code):
        return "a frame's code object is not where it should be"
    values = frame.f_locals
    expected = [id(values[name]) for name in ("first", "second", "inspect")] + [id(third)]
    if memory.references(0, 4) != expected:
        return "local variables are not where they should be"
    if memory.references(4, 7) != [expected[0], expected[1], expected[3]]:
        return "the value stack is not where it should be"
    if memory.function & ~_TAG_BITS != id(_probe):
        return "a frame's function is not where it should be"
    if memory.owner != cpython.FRAME_OWNED_BY_THREAD:
        return "a plain function's frame claims to belong to something else"
    return ""


def _check_namespace() -> str:
    namespace: dict[str, Any] = {"read": lambda: FrameMemory(sys._getframe(1)).namespace}
    exec("address = read()", namespace)
    if namespace["address"] != id(namespace):
        return "the namespace of module-level code is not where it should be"
    return ""


def _check_entries() -> str:
    """Frames entered directly and through C must be told apart."""

    def inner(_value: object = None) -> bool:
        # no frame in a variable: a cycle would keep the whole stack alive
        return FrameMemory(sys._getframe()).entered_from(FrameMemory(sys._getframe(1)))

    def direct() -> bool:
        return inner()

    # warmed up, because a specialised call is another piece of code
    if not all(direct() for _ in range(64)):
        return "a direct call looks like one through C"
    if any(any(map(inner, [1])) for _ in range(64)):
        return "a call through C looks like a direct one"
    seen: list[bool] = []

    def key(value: int) -> int:
        seen.append(inner(value))
        return value

    sorted([1], key=key)
    if seen != [True]:
        return "a direct call under a C function looks like one through C"

    def generator() -> Any:
        yield FrameMemory(sys._getframe()).owner

    if next(generator()) != cpython.FRAME_OWNED_BY_GENERATOR:
        return "a generator's frame does not say so"
    return ""


def _check_reference_count() -> str:
    known = object()
    before = reference_count(id(known))
    more = [known] * 5
    after = reference_count(id(known))
    return (
        "" if 0 < before == after - len(more) else "references are not counted where they should be"
    )


@functools.cache
def self_check() -> LayoutReport:
    """Prove the layout on known frames; once per process, about a millisecond."""
    details: dict[str, Any] = {
        "implementation": sys.implementation.name,
        "version": sys.version.split()[0],
        "free_threaded": cpython.FREE_THREADED,
        "pointer_bytes": _WORD,
        "source": "published" if cpython.PUBLISHED_OFFSETS else "declared",
    }
    if sys.implementation.name != "cpython":
        return LayoutReport(False, f"{sys.implementation.name} is not CPython", details)
    if not cpython.OLDEST <= cpython.VERSION <= cpython.NEWEST:
        known = " and ".join(
            f"{major}.{minor}" for major, minor in (cpython.OLDEST, cpython.NEWEST)
        )
        reason = f"CPython {sys.version.split()[0]} is not between {known}"
        return LayoutReport(False, reason, details)
    if cpython.FREE_THREADED_UNKNOWN:
        reason = (
            f"this CPython {sys.version.split()[0]} is free-threaded; of those only 3.13 is known"
        )
        return LayoutReport(False, reason, details)
    try:
        details["offsets"] = vars(_layout())
        reason = (
            _probe(object(), object(), _check_contents)
            or _check_namespace()
            or _check_entries()
            or _check_reference_count()
        )
    except (UnsupportedInterpreter, ValueError) as error:
        reason = str(error)
    return LayoutReport(not reason, reason, details)


def require() -> None:
    """Raise `UnsupportedInterpreter` unless the layout is proven."""
    report = self_check()
    if not report.ok:
        raise UnsupportedInterpreter(
            f"hetmig can't read the frames of this interpreter: {report.reason}; "
            "`hetmig doctor` tells more",
            **report.details,
        )
