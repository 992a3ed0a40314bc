"""Objects that every Python has, under a name that every Python knows.

Where the standard library keeps a class or function is its own affair, and changes from version to
version: `pathlib._local.PosixPath` is one only in 3.13.  What a program imports it by stays.
"""

from __future__ import annotations

import codecs
import os
import random
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, MethodWrapperType, ModuleType
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state.namespaces import named
from hetmig.state.native.bound import reduce_bound, reduce_slot

__all__ = ["BY_NAME", "REDUCERS", "reduce_by_public_name", "time_zone"]

_HOMES: dict[str, tuple[str, ...]] = {
    "_asyncio": ("asyncio",),
    "_ctypes": ("ctypes",),
    "_py_warnings": ("warnings",),
    "_warnings": ("warnings",),
    "annotationlib": ("typing", "inspect"),
    "genericpath": ("os.path",),
    "math.integer": ("math",),
    "nt": ("os",),
    "numpy.rec": ("numpy",),
    "posix": ("os",),
    "profiling.tracing": ("cProfile",),
}
"""Modules that not every version or system has, and by what programs import the same."""

_RENAMED = {
    ("_thread", "lock"): ("_thread", "LockType"),
    ("re", "prefixmatch"): ("re", "match"),
    ("re", "PatternError"): ("re", "error"),
    ("enum", "EnumDict"): ("enum", "_EnumDict"),
}


def reduce_by_public_name(obj: Any) -> tuple[Any, ...] | None:
    """How a class or function is found by a name that other versions know, too; None: as usual."""
    module, name = obj.__module__, obj.__qualname__
    if module is None or (module.isidentifier() and module not in _HOMES):
        place = _RENAMED.get((module, name))
        return _reached(*place) if place is not None and named(*place) is obj else None
    if module not in _HOMES and module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    for place in _places(module, name):
        if named(*place) is obj:
            return _reached(*place)
    return None


def _places(module: str, name: str) -> Iterator[tuple[str, str]]:
    if (module, name) in _RENAMED:
        yield _RENAMED[module, name]
    for home in _HOMES.get(module, ()):
        yield home, name
    public, mark, _ = module.partition("._")
    if mark:
        yield public, name


def _reached(module: str, name: str) -> tuple[Any, ...]:
    owner, _, last = name.rpartition(".")
    return getattr, (named(module, owner) if owner else sys.modules[module], last)


def _reduce_builtin(pickler: Any, function: Any) -> Any:
    if not isinstance(function.__self__, ModuleType):
        return reduce_bound(pickler, function)
    if function.__module__ not in _HOMES:
        return NotImplemented
    return reduce_by_public_name(function) or NotImplemented


def _reduce_codec(pickler: Any, codec: codecs.CodecInfo) -> Any:
    try:
        known = codecs.lookup(codec.name) == codec
    except LookupError:
        known = False
    return (codecs.lookup, (codec.name,)) if known else NotImplemented


def _reduce_system_random(pickler: Any, generator: random.SystemRandom) -> Any:
    # it has no state: its numbers are the machine's
    return (random.SystemRandom, ()) if type(generator) is random.SystemRandom else NotImplemented


def _reduce_environment(pickler: Any, environment: Any) -> Any:
    for name in ("environ", "environb"):
        if environment is getattr(os, name, None):
            return getattr, (os, name)
    return NotImplemented


def _reduce_zone(pickler: Any, zone: Any) -> Any:
    if type(zone).__module__ != "zoneinfo":
        return NotImplemented
    if zone.key is None:
        raise NotMigratable("a time zone that was read from a file has no name; make it of a name")
    return time_zone, zone.__reduce__()[1]


def time_zone(key: str, cached: bool) -> Any:
    """The time zone of this name.  Raises NotMigratable if nobody here knows it."""
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(key) if cached else zoneinfo.ZoneInfo.no_cache(key)
    except zoneinfo.ZoneInfoNotFoundError:
        raise NotMigratable(
            f"there is no time zone {key!r} on this machine; install its data there: "
            "`pip install tzdata`"
        ) from None


BY_NAME: dict[tuple[str, str], Any] = {("zoneinfo", "ZoneInfo"): _reduce_zone}

REDUCERS: dict[type, Any] = {
    BuiltinFunctionType: _reduce_builtin,
    MethodWrapperType: reduce_slot,
    codecs.CodecInfo: _reduce_codec,
    random.SystemRandom: _reduce_system_random,
    type(os.environ): _reduce_environment,
}
