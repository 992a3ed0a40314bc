"""Giving a variable of a live frame another value."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from types import FrameType
from typing import Any

from hetmig.interpreter import cpython

__all__ = ["assign"]


def assign(frame: FrameType, values: Mapping[str, Any]) -> None:
    """Give local variables of a function's frame new values; cells get new contents."""
    if not values:
        return
    variables: Any = frame.f_locals
    variables.update(values)
    if not cpython.LOCALS_WRITE_THROUGH:
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
        # it is a copy that the frame keeps: it would hold all these values as long as that lives
        variables.clear()
