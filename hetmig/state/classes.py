"""Classes made anew, without what their program does when a class is made.

It has been done where the class was made first, and what it has left behind travels as state: a
registry that `__init_subclass__` keeps would hold the class twice, a counter would count on.
"""

from __future__ import annotations

import contextlib
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle

__all__ = ["make_class", "with_slots"]

_SKELETON = cloudpickle.cloudpickle._make_skeleton_class
_track: Callable[[Any, type], type] = cloudpickle.cloudpickle._lookup_class_or_track


def make_class(constructor: Callable[..., type], *args: Any) -> type:
    """What cloudpickle's `constructor` makes: a class which still lacks its members."""
    if constructor is not _SKELETON:
        return constructor(*args)
    metaclass, name, bases, keywords, tracker, *_ = args
    with _without_hooks(bases):
        if _is_programs(vars(metaclass).get("__new__")) or _is_programs(
            vars(metaclass).get("__init__")
        ):
            made = _by_library(metaclass)(metaclass, name, types.resolve_bases(bases), keywords)
        else:
            made = types.new_class(
                name, bases, {"metaclass": metaclass}, lambda space: space.update(keywords)
            )
    return _track(tracker, made)


def with_slots(cls: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """What cloudpickle makes of a class, so that the new one has its slots from the beginning.

    cloudpickle sets them when the class is made, which is too late: instances would get a
    `__dict__` instead.
    """
    constructor, arguments, (space, of_slots), *rest = reduced
    if constructor is not _SKELETON or "__slots__" not in space:
        return reduced
    metaclass, name, bases, keywords, *more = arguments
    if typing.NamedTuple in bases:  # makes its own ones, and forbids others
        return reduced
    keywords = {**keywords, "__slots__": space["__slots__"]}
    space = {
        name: value
        for name, value in space.items()
        if not (isinstance(value, types.MemberDescriptorType) and value.__objclass__ is cls)
    }
    del space["__slots__"]
    arguments = (metaclass, name, bases, keywords, *more)
    return constructor, arguments, (space, of_slots), *rest


def _by_library(metaclass: type) -> Callable[..., type]:
    """How a class of this metaclass is made by the nearest one that is not the program's."""
    for base in metaclass.__mro__:
        new = vars(base).get("__new__")
        if new is not None and not _is_programs(new):
            made: Callable[..., type] = getattr(base, "__new__")  # noqa: B009  # as a function
            return made
    return type.__new__


def _is_programs(hook: Any) -> bool:
    """Whether a special method is written in Python, and not in the standard library."""
    function = getattr(hook, "__func__", hook)
    module = str(getattr(function, "__module__", "")).partition(".")[0]
    return isinstance(function, types.FunctionType) and module not in sys.stdlib_module_names


@contextlib.contextmanager
def _without_hooks(bases: tuple[type, ...]) -> Iterator[None]:
    """Have no `__init_subclass__` of the program run within this block."""
    hooked = [
        (base, vars(base)["__init_subclass__"])
        for cls in bases
        for base in getattr(cls, "__mro__", ())
        if _is_programs(vars(base).get("__init_subclass__"))
    ]
    for base, _ in hooked:
        base.__init_subclass__ = classmethod(_nothing)
    try:
        yield
    finally:
        for base, hook in hooked:
            base.__init_subclass__ = hook


def _nothing(cls: type[Any], /, **_keywords: object) -> None:
    pass
