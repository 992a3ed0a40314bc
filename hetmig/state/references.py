"""Code by reference: where both sides have the source, code travels as its place and fingerprint.

A place is a module and a path through what that module defines, such as `Parser/feed` or
`counter/#2` (the code that is constant number 2 of `counter`).  The source proves that the path
leads to the very code object; the destination, that what it leads to there does the same.
Attributes are looked up where they are stored: no getter of the program's runs.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hetmig.errors import SourceChanged
from hetmig.state.fingerprint import fingerprint
from hetmig.state.sources import awaitable

__all__ = ["Reference", "is_source_of", "living", "reference", "resolve"]

Reference = tuple[str, str, bytes]
"""Module, path and fingerprint."""

_MOST = 4096
_DEEPEST = 8  # wrapper in wrapper, class in class
_places: dict[int, tuple[weakref.ref[CodeType], str, str | None]] = {}
"""By the identity of the code: the module it was looked for in, and the path, if there is one."""

_LRU_CACHE = type(functools.lru_cache(len))
_CLASS_DICT = type.__dict__["__dict__"]
_INNER: dict[type, tuple[str, ...]] = {
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    functools.cached_property: ("func",),
    functools.partial: ("func",),
    functools.partialmethod: ("func",),
    functools.singledispatchmethod: ("func",),
    _LRU_CACHE: ("__wrapped__",),
}
"""Where wrappers of the standard library keep the function."""


def reference(code: CodeType, module_name: str) -> Reference | None:
    """How `code` is found in a module of this process; None if it isn't its source's code."""
    known = _places.get(id(code))
    if known is None or known[0]() is not code or known[1] != module_name:
        known = _learn(code, module_name)
    path = known[2]
    if path is None:
        return None
    module = sys.modules.get(module_name)
    try:
        proven = isinstance(module, ModuleType) and _follow(module, path) is code
    except LookupError:
        proven = False
    if proven and (digest := fingerprint(code)) is not None:
        return module_name, path, digest
    _places.pop(id(code), None)  # redefined meanwhile; by another path the next time, perhaps
    return None


def resolve(module: ModuleType, path: str, digest: bytes) -> CodeType:
    """The code at the path in a module here.  Raises `SourceChanged` if it isn't the one meant."""
    try:
        code = _follow(module, path)
    except LookupError:
        code = None
    present = fingerprint(code) if code is not None else None
    if code is None or present != digest:
        raise _changed(module.__name__, path, code, digest, present)
    return code


def _changed(
    module: str, path: str, code: CodeType | None, needed: bytes, present: bytes | None
) -> SourceChanged:
    written = ".".join(part for part in path.split("/") if part[0] not in "@#~")
    function = f"{module}.{code.co_qualname if code is not None else written}"
    theirs = needed.hex()
    if code is None:
        what = f"{function} (code {theirs} at the source) does not exist here"
    else:
        what = (
            f"the source of {function} has changed: its code is {theirs} at the source of the "
            f"state and {present.hex() if present else 'unknown'} here"
        )
    return SourceChanged(
        f"{what}; what stands in the middle of it can go on only in the same code: have the same "
        f"version of {module} on both sides, or cloudpickle.register_pickle_by_value({module})",
        function=function,
        needed=theirs,
        present=present.hex() if present else None,
    )


# -- finding a path


def _learn(code: CodeType, module_name: str) -> tuple[weakref.ref[CodeType], str, str | None]:
    module = sys.modules.get(module_name)
    path = None
    if isinstance(module, ModuleType) and is_source_of(module, module_name, code):
        path = next((path for path, found in _search(module, code) if found is code), None)
    while len(_places) >= _MOST:
        _places.pop(next(iter(tuple(_places))), None)
    known = _places[id(code)] = weakref.ref(code), module_name, path
    return known


def is_source_of(module: ModuleType, name: str, code: CodeType) -> bool:
    """Whether code was compiled from a module's file, and not made by the module as it ran."""
    spec = module.__spec__
    names = (getattr(spec, "origin", None), getattr(module, "__file__", None))
    return code.co_filename in names or code.co_filename == f"<frozen {name}>"


def living(module: ModuleType, code: CodeType) -> CodeType:
    """The code object of a module's function that is equal to this one; else this one."""
    for _, found in _search(module, code):
        if found.co_qualname == code.co_qualname and found == awaitable(code, found.co_flags):
            return found
    return code


def _search(module: ModuleType, code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """Paths that may lead to `code`: where its name says, then everywhere in the module."""
    outermost = code.co_qualname.partition(".<locals>")[0]
    for path, holder in _named(vars(module), outermost.split("."), ""):
        yield from _codes(path, holder, code.co_name, set())
    seen: set[int] = set()
    for name, value in list(vars(module).items()):
        foreign = isinstance(value, type) and value.__module__ != module.__name__
        if isinstance(name, str) and name.isidentifier() and not foreign:
            yield from _codes(name, value, code.co_name, seen)


def _named(space: Any, names: list[str], path: str) -> Iterator[tuple[str, Any]]:
    name, *rest = names
    mangled = f"_{path.rpartition('/')[2].lstrip('_')}{name}" if path else name
    for key in dict.fromkeys((name, mangled)):
        if key.isidentifier() and key in space:
            value = space[key]
            here = f"{path}/{key}" if path else key
            if not rest:
                yield here, value
            elif isinstance(value, type):
                yield from _named(_CLASS_DICT.__get__(value), rest, here)


def _codes(path: str, value: Any, name: str, seen: set[int]) -> Iterator[tuple[str, CodeType]]:
    """Paths to all code of this name below a function, class or wrapper."""
    if id(value) in seen or path.count("/") > _DEEPEST:
        return
    seen.add(id(value))
    if isinstance(value, FunctionType):
        yield from _nested(path, value.__code__, name)
    for step, inner in _steps(value):
        yield from _codes(f"{path}/{step}", inner, name, seen)


def _nested(path: str, code: CodeType, name: str) -> Iterator[tuple[str, CodeType]]:
    if code.co_name == name:
        yield path, code
    for index, constant in enumerate(code.co_consts):
        if isinstance(constant, CodeType):
            yield from _nested(f"{path}/#{index}", constant, name)


def _steps(value: Any) -> Iterator[tuple[str, Any]]:
    """What lies in a class, function or wrapper, and by which step of a path."""
    if isinstance(value, type):
        for name, member in list(_CLASS_DICT.__get__(value).items()):
            if isinstance(name, str) and name.isidentifier():
                yield name, member
        return
    if isinstance(value, FunctionType):
        if "__wrapped__" in vars(value):
            yield "@__wrapped__", vars(value)["__wrapped__"]
        for index, cell in enumerate(value.__closure__ or ()):
            try:
                yield f"~{index}", cell.cell_contents
            except ValueError:
                continue
    for name in _INNER.get(type(value), ()):
        yield f"@{name}", getattr(value, name)


# -- following one


def _follow(module: ModuleType, path: str) -> CodeType | None:
    """What is at the end of a path, if it is code.  Raises `LookupError` if the path breaks off."""
    found: Any = module
    if path.isidentifier():  # nearly always
        found, path = vars(module)[path], ""
    for step in path.split("/") if path else ():
        found = _step(found, step)
    code = found.__code__ if isinstance(found, FunctionType) else found
    return code if isinstance(code, CodeType) else None


def _step(found: Any, step: str) -> Any:
    mark, name = step[:1], step[1:]
    if mark == "#":
        code = found.__code__ if isinstance(found, FunctionType) else found
        return code.co_consts[int(name)] if isinstance(code, CodeType) else _broken(step)
    if mark == "~":
        cells = found.__closure__ if isinstance(found, FunctionType) else None
        return _content(cells[int(name)]) if cells else _broken(step)
    if mark == "@":
        if isinstance(found, FunctionType):
            return vars(found)[name]
        return getattr(found, name) if name in _INNER.get(type(found), ()) else _broken(step)
    if isinstance(found, type):
        return _CLASS_DICT.__get__(found)[step]
    return vars(found)[step] if isinstance(found, ModuleType) else _broken(step)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _broken("an empty cell")


def _broken(step: str) -> Any:
    raise LookupError(step)
