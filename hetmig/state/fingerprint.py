"""What a code object does, as sixteen bytes: the same on every machine with the same source.

Left out is what may differ between two hosts that have the same source: file names and lines,
what the interpreter has specialised meanwhile, and how `marshal` happens to share objects.
"""

from __future__ import annotations

import hashlib
import struct
import weakref
from types import CodeType

__all__ = ["fingerprint"]

_SIZE = 16
_MOST = 4096
_known: dict[int, tuple[weakref.ref[CodeType], bytes | None]] = {}


def fingerprint(code: CodeType) -> bytes | None:
    """The fingerprint of a code object and of all code inside it.

    None if its constants are not what a compiler makes.  Computed once: it never changes.
    """
    # by identity: to hash or compare code objects means to hash all they contain
    key = id(code)
    known = _known.get(key)
    if known is not None and known[0]() is code:
        return known[1]
    try:
        found = hashlib.blake2b(_encoded(code), digest_size=_SIZE).digest()
    except TypeError:
        found = None
    while len(_known) >= _MOST:
        _known.pop(next(iter(tuple(_known))), None)
    _known[key] = weakref.ref(code), found
    return found


def _encoded(value: object) -> bytes:
    """A value of a code object; two of them are equal only if type and meaning are."""
    kind = type(value)
    if value is None or value is Ellipsis or kind is bool:
        return repr(value).encode() + b";"
    if isinstance(value, int):
        content = b"%x" % value  # no limit on the digits
    elif isinstance(value, float):
        content = struct.pack("!d", value)  # tells -0.0 from 0.0
    elif isinstance(value, complex):
        content = struct.pack("!dd", value.real, value.imag)
    elif isinstance(value, str):
        content = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        content = value
    else:
        content = b"".join(_parts(value))
    return b"%s %d:%s" % (kind.__name__.encode(), len(content), content)


def _parts(value: object) -> list[bytes]:
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(_encoded(item) for item in value)  # its order differs between processes
    if isinstance(value, slice):
        return [_encoded(item) for item in (value.start, value.stop, value.step)]
    if isinstance(value, CodeType):
        return [_encoded(item) for item in _meaning(value)]
    raise TypeError(f"no compiler makes such a constant: {type(value).__name__}")


def _meaning(code: CodeType) -> tuple[object, ...]:
    return (
        code.co_qualname,
        code.co_flags,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_stacksize,
        code.co_varnames,
        code.co_cellvars,
        code.co_freevars,
        code.co_names,
        code.co_code,  # without what the interpreter has specialised
        code.co_exceptiontable,
        code.co_consts,
    )
