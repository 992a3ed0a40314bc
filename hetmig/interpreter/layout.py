"""Where this CPython keeps a frame's parts.

Sources: `_PyInterpreterFrame` in CPython's pycore_frame.h (3.11, 3.12) and, from 3.13 on, the table
`_Py_DebugOffsets` that CPython publishes at the start of `_PyRuntime` for debuggers.  `proof` has
compared it with frames whose contents are known before anybody uses it.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from dataclasses import dataclass

from hetmig.errors import UnsupportedInterpreter
from hetmig.interpreter import cpython

__all__ = ["WORD", "FrameLayout", "frame_layout", "parts", "slots_offset"]

WORD = ctypes.sizeof(ctypes.c_void_p)
"""Bytes of a pointer."""


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
        fits = instr < owner < localsplus <= size and previous == WORD and executable == 0
        if fits and instr == 7 * WORD:
            function = previous + WORD  # then globals, builtins, locals
            return FrameLayout(
                executable, previous, function, function + 3 * WORD, owner, localsplus
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
def frame_layout() -> FrameLayout:
    """Where the parts are, as CPython publishes it or as it is written down here."""
    return _published_offsets() if cpython.PUBLISHED_OFFSETS else _declared_offsets()


@functools.cache
def parts() -> tuple[type[ctypes.Structure], int]:
    """The structure of a frame, as far as anybody asks for it, and where its variables begin."""
    offsets = {name: at for name, at in vars(frame_layout()).items() if at is not None}
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


def slots_offset() -> int:
    """Bytes from the interpreter's frame to its first local variable."""
    return parts()[1]
