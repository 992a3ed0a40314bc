"""Whether the numbers of `random` have gone on, without making objects of their 625 words."""

from __future__ import annotations

import _random
import ctypes
import functools
import random
import sys
from typing import Any

__all__ = ["glance"]

_WORDS = 625
"""Of a Mersenne twister: its state, and how much of it is used up."""


def glance(module: Any) -> Any:
    """Something that differs whenever `random.getstate()` does."""
    generator = getattr(module.getstate, "__self__", None)
    if type(generator) is not random.Random or not _is_readable():
        return module.getstate()
    return vars(generator).get("gauss_next"), _memory(generator)


@functools.cache
def _is_readable() -> bool:
    """Whether a generator's memory is its state, as tried with one that nobody else has."""
    size = ctypes.sizeof(_Memory)
    if sys.implementation.name != "cpython" or size < _WORDS * ctypes.sizeof(ctypes.c_uint32):
        return False
    tried = _random.Random(1)
    first = _memory(tried)
    tried.random()
    then = _memory(tried)
    tried.seed(2)
    other = _memory(tried)
    tried.seed(1)
    return first == _memory(tried) and len({first, then, other}) == 3


_HEAD = object.__basicsize__
_Memory: Any = ctypes.c_char * max(_random.Random.__basicsize__ - _HEAD, 0)


def _memory(generator: _random.Random) -> bytes:
    """What follows the head of an object of CPython's."""
    found: bytes = _Memory.from_address(id(generator) + _HEAD).raw
    return found
