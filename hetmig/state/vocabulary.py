"""What both sides of a parcel know without being told: it is in the memo before the first value.

A small value would otherwise spend most of its bytes, and of its time, on the names of functions
that put it together.  The builtins' namespace is here for another reason: every namespace refers
to it, and known in advance it is never taken for plain data.
"""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hetmig.interpreter.activation import NULL, UNBOUND
from hetmig.state import rebuild
from hetmig.state.iterators import sequences

__all__ = ["MEMO", "MORE_THAN_A_VALUE", "PRELUDE", "known_to_all"]

MORE_THAN_A_VALUE = b"+"
"""Ends a stream with submodules to import behind it; a value alone ends in pickle's own mark."""

_FUNCTIONS: tuple[Callable[..., object], ...] = (
    rebuild.code,
    rebuild.referenced_code,
    rebuild.module,
    rebuild.module_namespace,
    rebuild.new_namespace,
    rebuild.module_of,
    rebuild.new_cell,
    rebuild.fill_cell,
    rebuild.new_function,
    rebuild.fill_function,
    rebuild.new_class,
    rebuild.fill_class,
    rebuild.generator,
    rebuild.fill_generator,
    rebuild.referenced_generator,
    rebuild.standing_generator,
    rebuild.fill_standing,
    rebuild.closed_generator,
    rebuild.new_exception,
    rebuild.fill_exception,
    rebuild.traceback,
    sequences.positioned,
    dict,
    getattr,
    iter,
    enumerate,
    range,
    reversed,
    zip,
)
_KNOWN: tuple[object, ...] = (vars(builtins), NULL, UNBOUND, *_FUNCTIONS)
"""Their order and number are part of the format: change `manifest.FORMAT` with them."""

MEMO = {id(value): (index, value) for index, value in enumerate(_KNOWN)}
"""The memo of a pickler that begins."""

_TAKE = b"\x97\x940"  # NEXT_BUFFER, MEMOIZE, POP: the one way to hand an unpickler any object
PRELUDE = b"\x80\x05" + _TAKE * len(_KNOWN)
"""Put before the stream, this fills the memo of the unpickler with the first of its buffers."""


def known_to_all(buffers: Sequence[Any]) -> Iterable[object]:
    """The buffers of an unpickler whose stream begins with `PRELUDE`."""
    return itertools.chain(_KNOWN, map(_writable, buffers)) if buffers else _KNOWN


def _writable(buffer: Any) -> Any:
    # An array that was writable stays so: whoever hands us read-only memory pays for a copy.
    return bytearray(buffer) if memoryview(buffer).readonly else buffer
