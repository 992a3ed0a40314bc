"""What a program defines: code, functions with their cells, classes."""

from __future__ import annotations

import builtins
import functools
import io
import traceback
import types
import typing
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from hetmig.state import context_variables, portable_code, rebuild
from hetmig.state.classes import with_slots
from hetmig.state.code import freeze_code, global_names
from hetmig.state.namespaces import Unsent, is_importable
from hetmig.state.native import c_types
from hetmig.state.native.named import reduce_by_public_name
from hetmig.state.sources import Source

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["FAMILIES", "REDUCERS"]

Reduced = tuple[Any, ...]

_SHELL = "IPython.core.interactiveshell"
"""It gives the cells of notebooks an `open` of its own, which spares the standard streams."""

_OF_TYPES = frozenset(id(value) for value in vars(types).values() if isinstance(value, type))
"""Those which cloudpickle knows by their names in `types`."""


def _reduce_code(pickler: Pickler, code: CodeType) -> Reduced:
    pickler.note_code(code)
    if pickler.portable:
        return portable_code.reduce_code(pickler, code)
    pickler.pinned = True
    place = pickler.place(code)
    if place is not None:
        return rebuild.referenced_code, place
    return rebuild.code, (freeze_code(code),)


def _reduce_cell(pickler: Pickler, cell: CellType) -> Reduced:
    try:
        content = (cell.cell_contents,)
    except ValueError:
        return rebuild.new_cell, ()
    return rebuild.new_cell, (), content, None, None, rebuild.fill_cell


def _reduce_function(pickler: Pickler, function: FunctionType) -> Any:
    if is_importable(function):
        return reduce_by_public_name(function) or NotImplemented
    if function.__globals__.get("__name__") == _SHELL and function.__name__ == "open":
        return getattr, (io, "open")  # all but the same, and a node need not have IPython
    if pickler.portable:
        return portable_code.reduce_function(pickler, function)
    namespace = pickler.namespace(function.__globals__)
    code = pickler.home(function.__code__, function.__globals__)
    arguments = (code, namespace, function.__closure__)
    state = _function_state(function)
    if pickler.namespaces == "referenced" and pickler.imported_as(function.__globals__) is None:
        state["globals"] = Unsent(function.__globals__, global_names(function.__code__))
    return rebuild.new_function, arguments, state, None, None, rebuild.fill_function


def _function_state(function: FunctionType) -> dict[str, Any]:
    code = function.__code__
    state: dict[str, Any] = {"__module__": function.__module__}
    if function.__name__ != code.co_name:
        state["__name__"] = function.__name__
    if function.__qualname__ != code.co_qualname:
        state["__qualname__"] = function.__qualname__
    usual_doc = code.co_consts[0] if code.co_consts else None
    if function.__doc__ is not usual_doc:
        state["__doc__"] = function.__doc__
    for name in ("__defaults__", "__kwdefaults__", "__dict__", "__type_params__"):
        if value := getattr(function, name, None):
            state[name] = value
    state.update(_annotations(function))
    return state


def _annotations(function: FunctionType) -> dict[str, Any]:
    # From 3.14 on annotations are evaluated when asked for, which may run anything.
    annotate = getattr(function, "__annotate__", None)
    if annotate is not None:
        return {"__annotate__": annotate}
    return {"__annotations__": function.__annotations__} if function.__annotations__ else {}


def _reduce_class(pickler: Pickler, cls: type) -> Any:
    module, name = cls.__module__, cls.__qualname__
    if module == "builtins" and vars(builtins).get(name) is cls:
        return NotImplemented  # as pickle does it, without asking anybody
    if (module, name) == ("decimal", "ContextManager"):
        return context_variables.local_context_type, ()  # its module does not name it
    if (named := c_types.reduce_type(cls) or reduce_by_public_name(cls)) is not None:
        return named
    if id(cls) not in _OF_TYPES and is_importable(cls):
        return NotImplemented  # as cloudpickle says, after many steps
    reduced = pickler.reduce_class(cls)
    if reduced is NotImplemented or len(reduced) < 6:
        return reduced
    reduced = c_types.with_fields(cls, with_slots(cls, reduced))
    if pickler.portable:
        rebuild.known_classes.add(cls)
        return portable_code.reduce_class(pickler, cls, reduced)
    pickler.pinned = True
    constructor, arguments, state, _, _, setter = reduced
    if annotate := vars(cls).get("__annotate_func__"):
        state[0]["__annotate_func__"] = annotate  # cloudpickle loses it
    if cls.__qualname__ != cls.__name__:
        state[0]["__qualname__"] = cls.__qualname__  # and that
    rebuild.known_classes.add(cls)
    made = (rebuild.new_class, (constructor, *arguments))
    return (*made, (setter, state), None, None, rebuild.fill_class)


def _reduce_as_pickle_does(pickler: Pickler, obj: Any) -> Any:
    return NotImplemented


REDUCERS: dict[type, Any] = {
    type: _reduce_class,  # one of its family, and in nearly every image
    types.GenericAlias: _reduce_as_pickle_does,  # of annotations
    FunctionType: _reduce_function,
    CodeType: _reduce_code,
    CellType: _reduce_cell,
    Source: portable_code.reduce_source,
    functools.partialmethod: portable_code.reduce_partial_method,
    functools.singledispatchmethod: portable_code.reduce_dispatching_method,
    traceback.FrameSummary: portable_code.reduce_frame_summary,
    typing.ForwardRef: portable_code.reduce_forward_reference,
}

FAMILIES: dict[type, Any] = {type: _reduce_class}
