"""Classes whose methods a library has written: they are written anew by the library over there.

A dataclass, a named tuple or an enum has methods that no source shows, and its library writes
others in each version.  So they stay behind, and what they were made from travels.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import inspect
import reprlib
import typing
from collections.abc import Callable
from types import FunctionType, MemberDescriptorType
from typing import Any, NamedTuple

import cloudpickle

from hetmig.errors import NotMigratable

__all__ = ["Recipe", "finish", "named_tuple", "taken_apart"]

_tracker_of: Callable[[type], str] = cloudpickle.cloudpickle._get_or_create_tracker_id
_track: Callable[[str, type], type] = cloudpickle.cloudpickle._lookup_class_or_track


class Recipe(NamedTuple):
    """What a library needs to write its part of a class again."""

    made: tuple[Callable[..., type], tuple[Any, ...]] | None
    """How the class is made, if not as any other."""
    steps: tuple[tuple[Any, ...], ...]
    """For `finish`."""


def taken_apart(cls: type, space: dict[str, Any]) -> tuple[Recipe | None, dict[str, Any]]:
    """A recipe, if the class needs one, and what else of its namespace travels.

    `space` is that namespace, as cloudpickle sees it.  Raises NotMigratable.
    """
    if isinstance(cls, enum.EnumMeta):
        return _of_enum(cls, space)
    if cls.__bases__ == (tuple,) and hasattr(cls, "_field_defaults") and "_make" in space:
        return _of_named_tuple(cls, space)
    if getattr(cls, "_is_protocol", False):
        return _of_protocol(space)
    if "__dataclass_params__" in space:
        return _of_dataclass(cls, space)
    return None, space


def finish(cls: type, steps: tuple[tuple[Any, ...], ...]) -> None:
    """Have the libraries write their part of a class that has all others."""
    for name, *arguments in steps:
        _STEPS[name](cls, *arguments)


# -- dataclasses

_PARAMETERS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_COMPARED = ("__lt__", "__le__", "__gt__", "__ge__")
_WRITTEN: dict[str, str] = {
    "__init__": "init",
    "__repr__": "repr",
    "__eq__": "eq",
    "__hash__": "eq",
    "__setattr__": "frozen",
    "__delattr__": "frozen",
    **dict.fromkeys(_COMPARED, "order"),
}
"""What the library writes, and the parameter that makes it do so."""
_ABOUT_FIELD = ("init", "repr", "hash", "compare", "kw_only")
_ARGUMENT: Any = dataclasses.InitVar[object]
_LIBRARY = (dataclasses.__file__, reprlib.__file__)


def _of_dataclass(cls: type, space: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    params = space["__dataclass_params__"]
    chosen = {name: getattr(params, name) for name in _PARAMETERS}
    chosen["unsafe_hash"] = chosen["unsafe_hash"] or False
    own = space.get("__annotations__", {})
    fields = {
        name: _about(field)
        for name, field in space["__dataclass_fields__"].items()
        if name in own and field._field_type is not dataclasses._FIELD_CLASSVAR  # type: ignore[attr-defined]
    }
    left = {
        name: value
        for name, value in space.items()
        if name not in ("__dataclass_fields__", "__dataclass_params__")
        and not _is_written(name, value, chosen)
        and name not in fields
    }
    if not isinstance(left.get("__doc__"), str | None):  # written when somebody asks for it
        del left["__doc__"]
    chosen["match_args"] = False  # it is there as data
    slots = {name: getattr(params, name, False) for name in ("slots", "weakref_slot")}
    return Recipe(None, (("dataclass", chosen, fields, slots),)), left


def _about(field: Any) -> dict[str, Any]:
    about = {name: getattr(field, name) for name in _ABOUT_FIELD}
    about["is_argument_only"] = field._field_type is dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]
    about["metadata"] = dict(field.metadata)
    for name in ("default", "default_factory"):
        if (value := getattr(field, name)) is not dataclasses.MISSING:
            about[name] = value
    if getattr(field, "doc", None) is not None:
        about["doc"] = field.doc
    return about


def _is_written(name: str, value: Any, chosen: dict[str, Any]) -> bool:
    if name == "__replace__":  # a function of the library's, in some versions
        return getattr(value, "__module__", None) == "dataclasses"
    if name not in _WRITTEN or not isinstance(value, FunctionType):
        return False
    file = inspect.unwrap(value).__code__.co_filename
    asked = chosen[_WRITTEN[name]] or (name == "__hash__" and chosen["unsafe_hash"])
    return bool(asked) and (file == "<string>" or file in _LIBRARY)


def _finish_dataclass(
    cls: type, params: dict[str, Any], fields: dict[str, Any], slots: dict[str, bool]
) -> None:
    known = inspect.signature(dataclasses.field).parameters
    descriptors = {
        name: value
        for name, value in vars(cls).items()
        if name in fields and isinstance(value, MemberDescriptorType)
    }
    annotations = dict(vars(cls).get("__annotations__") or cls.__annotations__)
    # Those as text are looked up in a module which may be another one here.
    kinds = {name: _ARGUMENT if fields[name]["is_argument_only"] else object for name in fields}
    cls.__annotations__ = dict(kinds)
    for name, about in fields.items():
        about = {key: value for key, value in about.items() if key in known}
        setattr(cls, name, dataclasses.field(**about))
    written = "__init__" not in vars(cls)
    dataclasses.dataclass(**params)(cls)
    for name, descriptor in descriptors.items():
        setattr(cls, name, descriptor)
    init: Any = vars(cls).get("__init__")
    if written and isinstance(init, FunctionType):
        init.__annotations__ = {
            name: annotations[name] if name in kinds else kind
            for name, kind in init.__annotations__.items()
        }
    cls.__annotations__ = annotations
    for name in fields:
        vars(cls)["__dataclass_fields__"][name].type = annotations[name]
    made: Any = vars(cls)["__dataclass_params__"]
    for name, value in {**slots, "match_args": "__match_args__" in vars(cls)}.items():
        if hasattr(made, name):
            setattr(made, name, value)


# -- named tuples


def _of_named_tuple(cls: Any, space: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    written = vars(collections.namedtuple("written", cls._fields, rename=True))
    left = {
        name: value
        for name, value in space.items()
        if name not in written or name == "__doc__" or _is_programs(value)
    }
    usual = {name: value.__doc__ for name, value in written.items()}
    texts = {name: vars(cls)[name].__doc__ for name in cls._fields if name in vars(cls)}
    docs = {name: text for name, text in texts.items() if text != usual.get(name)}
    arguments = (cls.__name__, cls._fields, cls._field_defaults, cls.__module__, _tracker_of(cls))
    steps = (("docs", docs),) if docs else ()
    return Recipe((named_tuple, arguments), steps), left


def named_tuple(
    name: str, fields: tuple[str, ...], defaults: dict[str, Any], module: str, tracker: str
) -> type:
    """A named tuple with these fields."""
    values = list(defaults.values())  # those of the last fields
    make: Any = collections.namedtuple  # whose arguments are known only now
    made = make(name, fields, defaults=values, module=module)
    return _track(tracker, made)


def _document(cls: type, docs: dict[str, str]) -> None:
    for name, text in docs.items():
        vars(cls)[name].__doc__ = text


def _is_programs(value: Any) -> bool:
    """Whether it is a method, written by somebody else than the library."""
    function = getattr(value, "__func__", getattr(value, "fget", value))
    if not isinstance(function, FunctionType):
        return False
    file = function.__code__.co_filename
    return file not in (collections.__file__, enum.__file__) and not file.startswith("<string")


# -- enums


class _Plain(enum.Enum):
    A = 1


class _Flag(enum.IntFlag):
    A = 1


class _Text(enum.StrEnum):
    A = "a"


_BY_METACLASS = frozenset({*vars(_Plain), *vars(_Flag), *vars(_Text), *vars(enum.Enum)}) - {"A"}
_OF_MEMBER = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"})
_MIXED_IN = (object, int, str, float)


def _of_enum(cls: Any, space: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    members = dict(cls.__members__)
    kind = cls._member_type_
    for member in members.values():
        if kind not in _MIXED_IN or (
            kind is not object and kind.__eq__(member, member._value_) is not True
        ):
            raise NotMigratable(
                f"the enum {cls.__qualname__} makes its members of {kind.__name__} in its own way; "
                "define it in a module that both sides can import"
            )
    keep = ("__doc__", "__module__", "__firstlineno__", "__annotations__")
    left = {
        name: value
        for name, value in space.items()
        if name not in members
        and (name not in _BY_METACLASS or name in keep or _is_programs(value))
    }
    if "__doc__" in left and left["__doc__"] is None:
        del left["__doc__"]
    values = {name: member._value_ for name, member in members.items()}
    arguments = (
        *(cls.__bases__, cls.__name__, cls.__qualname__, values, cls.__module__),
        *(_tracker_of(cls), None),
    )
    attributes = {
        name: own
        for name, member in members.items()
        if (own := {k: v for k, v in vars(member).items() if k not in _OF_MEMBER})
    }
    made = cloudpickle.cloudpickle._make_skeleton_enum, arguments
    return Recipe(made, (("members", attributes),) if attributes else ()), left


def _fill_members(cls: Any, attributes: dict[str, dict[str, Any]]) -> None:
    for name, own in attributes.items():
        vars(cls.__members__[name]).update(own)


# -- protocols

_BY_PROTOCOL = ("__protocol_attrs__", "__non_callable_proto_members__")


def _of_protocol(space: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    left = {
        name: value
        for name, value in space.items()
        if name not in _BY_PROTOCOL
        and getattr(getattr(value, "__func__", value), "__module__", None) != "typing"
    }
    return Recipe(None, (("protocol", "__non_callable_proto_members__" in space),)), left


def _finish_protocol(cls: Any, runtime: bool) -> None:
    if hasattr(typing, "_get_protocol_attrs") and "__protocol_attrs__" in vars(cls):
        cls.__protocol_attrs__ = typing._get_protocol_attrs(cls)
    if cls.__dict__.get("_is_runtime_protocol"):
        typing.runtime_checkable(cls)


_STEPS: dict[str, Callable[..., None]] = {
    "dataclass": _finish_dataclass,
    "docs": _document,
    "members": _fill_members,
    "protocol": _finish_protocol,
}
