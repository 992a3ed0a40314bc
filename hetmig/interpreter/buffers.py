"""Where in the memory of its object a `memoryview` lies: the one thing it does not tell."""

from __future__ import annotations

import ctypes

__all__ = ["address_of_buffer"]


class _Buffer(ctypes.Structure):
    """`Py_buffer`, which is part of the stable ABI since 3.11."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_ANY_KIND = 0x011C
"""PyBUF_FULL_RO: whatever its shape, strides and format, and only to read."""
_prototype = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int
)
_get = _prototype(("PyObject_GetBuffer", ctypes.pythonapi))
_release = ctypes.PYFUNCTYPE(None, ctypes.POINTER(_Buffer))(("PyBuffer_Release", ctypes.pythonapi))


def address_of_buffer(obj: object) -> int:
    """The address of the first item of an object with the buffer interface."""
    buffer = _Buffer()
    _get(obj, ctypes.byref(buffer), _ANY_KIND)
    try:
        return buffer.buf or 0
    finally:
        _release(ctypes.byref(buffer))
