"""Instances of classes that the destination imports: another version of these may want more.

A class of a package, or of the program's own modules, travels by its name, its instances with the
attributes they have.  Where the destination has another version of the package, its methods may use
attributes which the instances lack.  So the source notes, once for each class, which attributes its
methods set; if those of the destination set others, the instances are refused by name.

A class that says itself how its instances are pickled looks after that itself.
"""

from __future__ import annotations

import dis
import functools
import importlib.metadata
import opcode
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, MemberDescriptorType
from typing import Any, NamedTuple

from hetmig.errors import NotMigratable
from hetmig.state.namespaces import by_reference, is_importable, named

__all__ = ["Described", "described", "require"]

_OWN_WAY = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs_ex__")
_STORE = opcode.opmap["STORE_ATTR"]
_NOT_ASKED = frozenset({*sys.stdlib_module_names, "hetmig"})


class Described(NamedTuple):
    """What is told of a class whose instances travel."""

    module: str
    name: str
    version: str | None
    """Of the package."""
    attributes: tuple[str, ...]
    """Which its methods give to their instance."""


def described(classes: Iterable[type]) -> list[tuple[Any, ...]]:
    """What the destination has to know of those of these classes which it imports."""
    return [tuple(_describe(cls)) for cls in classes if _is_asked(cls)]


def _is_asked(cls: type) -> bool:
    module = cls.__module__
    return (
        isinstance(module, str)
        and module.partition(".")[0] not in _NOT_ASKED
        and by_reference(module)
        and is_importable(cls)
        and not any(name in vars(base) for base in _written(cls) for name in _OWN_WAY)
    )


def _written(cls: type) -> list[type]:
    """The class and its bases, but for those of Python itself."""
    return [b for b in cls.__mro__ if str(b.__module__).partition(".")[0] not in _NOT_ASKED]


@functools.lru_cache(maxsize=1024)
def _describe(cls: type) -> Described:
    names = (name for base in _written(cls) for name in _set_by(base))
    attributes = tuple(sorted(set(names)))
    return Described(cls.__module__, cls.__qualname__, _version(cls.__module__), attributes)


def _version(module: str) -> str | None:
    top = module.partition(".")[0]
    version = vars(sys.modules[top]).get("__version__") if top in sys.modules else None
    if isinstance(version, str):
        return version
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        return None


def _set_by(cls: type) -> Iterator[str]:
    """The attributes which the methods of a class set in their first argument."""
    for member in vars(cls).values():
        inner = getattr(member, "fset", None) if isinstance(member, property) else member
        if isinstance(inner, FunctionType) and _STORE in inner.__code__.co_code[::2]:
            yield from _set_in(inner)


def _set_in(function: FunctionType) -> Iterator[str]:
    code = function.__code__
    loaded: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opcode == _STORE and loaded in code.co_varnames[:1]:
            yield instruction.argval
        if instruction.opname != "EXTENDED_ARG":
            found = instruction.argval
            loaded = found[-1] if isinstance(found, tuple) and found else found  # two at once


def require(classes: list[tuple[Any, ...]]) -> None:
    """Raise NotMigratable if instances of one of these lack what its methods set here."""
    for each in classes:
        theirs = Described(*each)
        cls = named(theirs.module, theirs.name)
        if not isinstance(cls, type):
            continue
        here = _describe(cls)
        if theirs.version is not None and theirs.version == here.version:
            continue
        for name in here.attributes:
            if name not in theirs.attributes and not _has(cls, name):
                raise _another(theirs, here, name)


def _has(cls: type, name: str) -> bool:
    """Whether the class itself has something for instances that lack this attribute."""
    found = (vars(base)[name] for base in cls.__mro__ if name in vars(base))
    return not isinstance(next(found, None), MemberDescriptorType | None)


def _another(theirs: Described, here: Described, name: str) -> NotMigratable:
    package = theirs.module.partition(".")[0]
    versions = ""
    if theirs.version != here.version:
        versions = f" ({package} {theirs.version} there, {here.version} here)"
    return NotMigratable(
        f"{theirs.module}.{theirs.name} gives its instances an attribute {name!r} here, of which "
        f"the class at the source of the state knows nothing{versions}: install the same version "
        f"of {package} on both sides, or say how the type travels with hetmig.register"
    )
