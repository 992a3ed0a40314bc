"""The data in a program's own modules: its globals are state too, though its code stays by name.

A function of an importable module is found at the destination by its name, and there the module is
fresh from its import.  What the task has counted, cached or configured in the module's globals
meanwhile would be lost, silently.  So the data of the program's *own* modules travels: of those
which are neither the standard library's nor installed packages, class variables included.
Functions, classes and modules among the globals do not, nor do constants that are what they were
when the task began.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import operator
import os
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any, NamedTuple

from hetmig.errors import NotMigratable
from hetmig.state.image import require_portable
from hetmig.state.namespaces import by_reference

__all__ = ["OwnModules", "look_at_modules", "put_back_modules", "remember_foreign"]

_CODE = (
    FunctionType,
    BuiltinFunctionType,
    ModuleType,
    type,
    property,
    classmethod,
    staticmethod,
    MemberDescriptorType,
    GetSetDescriptorType,
)
_CONTAINERS = (list, dict, set, bytearray, deque)
_CONSTANTS = frozenset({int, float, complex, bool, str, bytes, type(None)})
_THE_SITES = frozenset({"sitecustomize", "usercustomize"})


@functools.cache
def _foreign() -> tuple[str, ...]:
    """The directories, with their separator, whose modules are not the program's own."""
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # Debian keeps what its own packages bring beside the standard library
    found |= {entry for entry in sys.path if entry.endswith(("-packages", "lib-dynload"))}
    found.add(str(Path(__file__).parent.parent))
    return tuple(
        {os.path.join(form, "") for path in found for form in (path, os.path.realpath(path))}
    )


@functools.cache
def _is_foreign(file: str) -> bool:
    return file.startswith(_foreign()) or os.path.realpath(file).startswith(_foreign())


def _is_own(name: str, module: object) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py") or name in _THE_SITES:
        return False
    # The libraries' modules are many, and this is asked while a task stands still: they go first.
    return not _is_foreign(file) and isinstance(module, ModuleType) and by_reference(name)


class _Look(NamedTuple):
    """What somebody saw who looked at all modules that were loaded."""

    modules: list[Any]
    perhaps_own: list[tuple[str, ModuleType]]
    """Those of them that were not known as others'."""


_remembered: dict[str, ModuleType] = {}
"""Modules that are not the program's own, as far as that was found out before there was one."""
_last_look = _Look([], [])


def look_at_modules() -> list[tuple[str, ModuleType]]:
    """The loaded modules that may be the program's own: all that are not known as others'."""
    global _last_look
    if not _is_as_seen(_last_look):
        loaded = list(sys.modules.items())
        unknown = [(name, module) for name, module in loaded if _remembered.get(name) is not module]
        _last_look = _Look(
            [module for _, module in loaded],
            [(name, module) for name, module in unknown if isinstance(module, ModuleType)],
        )
    return _last_look.perhaps_own


def _is_as_seen(seen: _Look) -> bool:
    """Whether the very same modules are loaded.

    To go through hundreds of them takes long while a task stands still.  So they are compared all
    at once, without asking any of them anything.
    """
    loaded = list(sys.modules.values())
    return (
        len(loaded) == len(seen.modules)
        and all(map(operator.is_, loaded, seen.modules))
        # under the same names
        and all(sys.modules.get(name) is module for name, module in seen.perhaps_own)
    )


def remember_foreign() -> None:
    """Find out now which of the modules that are loaded are others'.

    To look at hundreds of them takes most of a millisecond in a process that was just forked, and
    is done while a task stands still.
    """
    for name, module in list(sys.modules.items()):
        if _remembered.get(name) is module:
            continue  # each object that is touched in a forked process copies its page
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and (not isinstance(file, str) or _is_foreign(file)):
            _remembered[name] = module


class _Watcher(MetaPathFinder):
    """Finds what the finders after it find, and tells when the module has been executed."""

    def __init__(self, imported: Callable[[ModuleType], None]) -> None:
        self._imported = imported

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        after = itertools.dropwhile(lambda finder: finder is not self, list(sys.meta_path))
        for finder in itertools.islice(after, 1, None):
            if spec := finder.find_spec(fullname, path, target):
                self._watch(spec)
                return spec
        return None

    def _watch(self, spec: ModuleSpec) -> None:
        loader = spec.loader
        # Each module has such a loader to itself; others may serve many, and are left alone.
        if type(loader) is SourceFileLoader and not _is_foreign(loader.path):
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self._imported(module)

            loader.exec_module = exec_module  # type: ignore[method-assign]


def _variables(namespace: ModuleType | type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The variables of a module and, as `Class.name`, of the classes it defines."""
    for key, value in list(vars(namespace).items()):
        if key.startswith("__") and key.endswith("__"):
            continue
        yield prefix + key, value
        here = namespace.__name__ if isinstance(namespace, ModuleType) else namespace.__module__
        defined = isinstance(value, type) and value.__qualname__ == prefix + key
        if defined and value.__module__ == here and not issubclass(value, Enum):
            yield from _variables(value, f"{prefix}{key}.")


class OwnModules:
    """What the program's own modules were like when the task began here, or imported them."""

    def __init__(self, arrived: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """`arrived` is what came along from the source: it goes on travelling."""
        self._arrived = {module: set(values) for module, values in (arrived or {}).items()}
        self._before = {name: dict(_variables(module)) for name, module in self._modules()}

    def watch_imports(self) -> None:
        """From now on note what an import makes of each of the program's own modules."""
        sys.meta_path.insert(0, _Watcher(self._imported))

    def _imported(self, module: ModuleType) -> None:
        if _is_own(module.__name__, module):
            self._before[module.__name__] = dict(_variables(module))

    def changed(self) -> dict[str, dict[str, Any]]:
        """The data that must travel, by module and name.

        Raises NotMigratable for a global that the task has set to what can't travel.
        """
        found = {}
        for name, module in self._modules():
            data = dict(self._data(name, module))
            if data:
                found[name] = data
        return found

    def _modules(self) -> Iterator[tuple[str, ModuleType]]:
        for name, module in look_at_modules():
            if _is_own(name, module):
                yield name, module

    def _data(self, name: str, module: ModuleType) -> Iterator[tuple[str, Any]]:
        before = self._before.get(name, {})
        arrived = self._arrived.get(name, set())
        for key, value in _variables(module):
            same = key in before and before[key] is value and key not in arrived
            if same and (type(value) in _CONSTANTS or isinstance(value, _CODE)):
                continue
            if same and "." in key and not isinstance(value, _CONTAINERS):
                continue  # what a class's own machinery keeps there is not ours to copy
            if name not in self._before and isinstance(value, _CODE):
                continue  # made by other means than an import: as the destination makes it
            try:
                require_portable(value, f"{name}.{key}")
            except NotMigratable:
                if not same and name in self._before:
                    raise
                continue  # as its import has made it, and as the destination's import will
            yield key, value


def put_back_modules(state: Mapping[str, Mapping[str, Any]]) -> None:
    """Set what `OwnModules.changed` found at the source; imports the modules."""
    for name, values in state.items():
        module = importlib.import_module(name)
        for key, value in values.items():
            *path, last = key.split(".")
            holder: Any = functools.reduce(getattr, path, module)
            if isinstance(holder, type):
                type.__setattr__(holder, last, value)  # a metaclass has no say: it is a restoration
            else:
                vars(holder)[last] = value
