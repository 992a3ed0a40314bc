"""A cell of a notebook as a task: runs at a node, in what it needs of the notebook's variables.

This module is imported there, and knows nothing of IPython.  The cell's code travels as a function
whose globals are the notebook's namespace, and so with it all that the cell may read.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state.image import freeze_value
from hetmig.state.manifest import same_minor, this_python
from hetmig.state.namespaces import by_reference

__all__ = ["GIVEN_BACK", "PREFIX", "VALUE", "Cell", "GivenBack"]

VALUE = "_"
"""The value of the cell's last expression is assigned to this name."""
PREFIX = f"{VALUE} = "
GIVEN_BACK = "_hetmig_given_back"
"""The attribute of an exception with what the cell had assigned before."""


@dataclass
class GivenBack:
    """What a cell has changed, still frozen."""

    frames: list[bytes]
    modules: dict[str, str]
    """Variable -> name of the module that it is."""
    deleted: list[str]
    staying: dict[str, str] = field(default_factory=dict)
    """Variable -> why it can't come back."""


class Cell:
    """The call of a cell's code."""

    def __init__(
        self, name: str, body: Callable[[], object], texts: dict[str, str], *, shows: bool
    ) -> None:
        """`texts`: by file name, those of the cells which have made functions that it may use.

        `shows`: its last line is an expression, whose value the code assigns to `VALUE`.
        """
        self.__qualname__ = name
        self._body, self._texts, self._shows = body, texts, shows
        self._python = this_python()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Wherever it comes, tracebacks show lines, and code has a text to go on with."""
        vars(self).update(state)
        for file, text in self._texts.items():
            if file not in linecache.cache:
                linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file

    def __call__(self) -> GivenBack:
        body: Any = self._body
        namespace = body.__globals__
        before = {name: _token(value) for name, value in _variables(namespace).items()}
        try:
            body()
        except BaseException as error:
            vars(error)[GIVEN_BACK] = self._given_back(namespace, before, None)
            raise
        return self._given_back(namespace, before, namespace[VALUE] if self._shows else None)

    def _given_back(
        self, namespace: dict[str, Any], before: Mapping[str, object], value: object
    ) -> GivenBack:
        now = _variables(namespace)
        changed = {
            name: value
            for name, value in now.items()
            if name not in before or _differs(before[name], value)
        }
        modules = {name: value.__name__ for name, value in changed.items() if _is_module(value)}
        data = {name: value for name, value in changed.items() if name not in modules}
        told: dict[str, Any] = {"variables": data, VALUE: value}
        portable = not same_minor(self._python, this_python())
        staying = {}
        try:
            frozen = freeze_value(told, portable=portable)
        except NotMigratable:
            staying = _staying({**data, VALUE: value}, portable=portable)
            kept = {name: value for name, value in data.items() if name not in staying}
            told = {"variables": kept, VALUE: None if VALUE in staying else value}
            frozen = freeze_value(told, portable=portable)
        frames = [bytes(frame) for frame in frozen.frames]
        return GivenBack(frames, modules, sorted(before.keys() - now.keys()), staying)


def _variables(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The user's own."""
    return {
        name: value
        for name, value in namespace.items()
        if name != VALUE and not (name.startswith("__") and name.endswith("__"))
    }


def _is_module(value: object) -> bool:
    return isinstance(value, ModuleType) and by_reference(value.__name__)


def _token(value: object) -> object:
    """By which to see whether a variable has changed, without keeping what it held."""
    if isinstance(value, FunctionType | ModuleType | type):
        return value
    digest = hashlib.blake2b(digest_size=16)
    try:
        for frame in freeze_value(value).frames:
            digest.update(frame)
    except NotMigratable:
        return None  # it has come here, but can't go on
    return digest.digest()


def _differs(token: object, value: object) -> bool:
    if isinstance(token, FunctionType | ModuleType | type):
        return token is not value
    return token is None or token != _token(value)


def _staying(values: Mapping[str, object], *, portable: bool) -> dict[str, str]:
    """Those which can't travel, and why."""
    found = {}
    for name, value in values.items():
        try:
            freeze_value(value, name=name, portable=portable)
        except NotMigratable as error:
            found[name] = error.reason
    return found
