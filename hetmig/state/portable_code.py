"""Code, functions and classes taken apart for another version of Python: no bytecode among it.

Code of a module that the destination imports travels as its place there and a digest of its text,
all other code as the text of its module, once, and which code object in it.  What `recompiled`
makes of it is compiled by the destination.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from hetmig.interpreter import cpython
from hetmig.state import generated, library_code, recompiled, references, sources
from hetmig.state.code import global_names
from hetmig.state.namespaces import Unsent

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = [
    "evaluated_annotations",
    "reduce_class",
    "reduce_code",
    "reduce_dispatching_method",
    "reduce_forward_reference",
    "reduce_frame_summary",
    "reduce_function",
    "reduce_partial_method",
    "reduce_source",
    "stands_alone",
]

Reduced = tuple[Any, ...]

_sample: Any = functools.singledispatch(len)
_DISPATCHES = _sample.__code__
_SUMMARY = ("end_lineno", "colno", "end_colno")
_OF_DISPATCH = ("registry", "dispatch", "register", "_clear_cache", "__wrapped__")
"""What each such function has of its own."""
_OF_ANNOTATIONS = (
    "__annotate_func__",
    "__annotations_cache__",
    "__annotate__",
    "__classdictcell__",
    "__conditional_annotations__",
)
"""By these a class evaluates its annotations when they are asked for, in some versions."""


def reduce_code(pickler: Pickler, code: CodeType) -> Reduced:
    """A code object as a reference, or as a source and a place in it.  Raises NotMigratable."""
    name, namespace = pickler.home_of(code)
    located = sources.locate(code, namespace)
    scope = located.source.scopes[located.number]
    if stands_alone(name, code, located):
        digest = located.source.scopes.digest(located.number)
        alike = located.source.scopes.alike(scope.kind, scope.path, digest)
        which = alike.index(located.number), len(alike)
        if library_code.is_librarys(name or ""):
            text = located.source.scopes.alone(located.number).lstrip("\n")
            theirs = library_code.Text(name or "", scope.path, text, digest, cpython.VERSION)
            own: tuple[Any, ...] = ()
            if library_code.finishes_by_itself(*theirs[:2]):
                own = _around(located)
            return recompiled.code_of_library, (tuple(theirs), scope.kind, *which, *own)
        return recompiled.code_of_module, (name, scope.kind, scope.path, digest, *which)
    flag = code.co_flags & inspect.CO_ITERABLE_COROUTINE
    rest = (flag,) if flag else ()
    return recompiled.code, (located.source, located.number, scope.kind, scope.name, *rest)


def _around(located: sources.Located) -> tuple[sources.Source, int]:
    """The same scope in a source that has only the function around it."""
    whole, scope = located.source, located.source.scopes[located.number]
    if sources.came(whole):
        return located
    part = sources.source(whole.scopes.around(located.number), *whole.options)
    places = [(each.path, each.first_line) for each in part.scopes]
    return part, places.index((scope.path, scope.first_line))


def stands_alone(name: str | None, code: CodeType, located: sources.Located) -> bool:
    """Whether code is known by its own text, whatever the rest of its module is."""
    scope = located.source.scopes[located.number]
    return is_by_place(name, code, located) or (
        library_code.finishes_by_itself(name or "", scope.path) and sources.came(located.source)
    )


def is_by_place(name: str | None, code: CodeType, located: sources.Located) -> bool:
    """Whether code is what the destination's own import of the module `name` makes, too."""
    module = sys.modules.get(name) if name is not None else None
    return (
        isinstance(module, ModuleType)
        and located.source.scopes[located.number].kind != "Module"
        and references.is_source_of(module, name or "", code)
        # some of the library goes on in the text of another version
        and not (
            sources.came(located.source) and located.source.text != sources.text_of_module(module)
        )
    )


def reduce_source(pickler: Pickler, source: sources.Source) -> Reduced:
    """A text with all that its compilation depends on; once in each image."""
    return recompiled.source, (source.text, source.file, source.flags, source.optimize)


def reduce_function(pickler: Pickler, function: FunctionType) -> Reduced:
    """A function that is not importable; its free variables have names instead of an order."""
    if function.__code__ is _DISPATCHES:
        return _reduce_dispatching(function)
    namespace = pickler.namespace(function.__globals__)
    code = pickler.home(function.__code__, function.__globals__)
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    if str(pickler.imported_as(function.__globals__)).startswith("asyncio."):
        names, cells = library_code.without_waiters(names, cells)
    arguments = (code, namespace, names, cells)
    state: dict[str, Any] = {
        "__module__": function.__module__,
        "__name__": function.__name__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
    for name in ("__defaults__", "__kwdefaults__", "__dict__", "__type_params__"):
        if value := getattr(function, name, None):
            state[name] = value
    if annotations := evaluated_annotations(function):
        state["__annotations__"] = annotations
    if pickler.namespaces == "referenced" and pickler.imported_as(function.__globals__) is None:
        state["globals"] = Unsent(function.__globals__, global_names(function.__code__))
    return recompiled.function, arguments, state, None, None, recompiled.fill_function


def _reduce_dispatching(function: Any) -> Reduced:
    """A `functools.singledispatch` function: its library's own code is another in each version."""
    state = {name: value for name, value in vars(function).items() if name not in _OF_DISPATCH}
    filling = dict(function.registry), state
    made = recompiled.dispatching, (function.__name__,)
    return *made, filling, None, None, recompiled.fill_dispatching


def reduce_partial_method(pickler: Pickler, method: Any) -> Reduced:
    """A `functools.partialmethod`; what `copyreg` would do fails from 3.14 on."""
    return recompiled.partial_method, (method.func, method.args, method.keywords)


def reduce_dispatching_method(pickler: Pickler, method: Any) -> Any:
    """A `functools.singledispatchmethod`: it keeps other things in other versions."""
    if not pickler.portable:
        return NotImplemented
    return recompiled.dispatching_method, (method.func, dict(method.dispatcher.registry))


def reduce_forward_reference(pickler: Pickler, reference: Any) -> Any:
    """The name in an annotation of something that may come later."""
    if not pickler.portable:
        return NotImplemented
    options = {
        "module": reference.__forward_module__,
        "is_argument": reference.__forward_is_argument__,
        "is_class": reference.__forward_is_class__,
    }
    return recompiled.forward_reference, (reference.__forward_arg__, options)


def reduce_frame_summary(pickler: Pickler, summary: Any) -> Any:
    """A line of a printed traceback; some versions keep the code with it."""
    details = {name: getattr(summary, name) for name in ("locals", *_SUMMARY)}
    arguments = summary.filename, summary.lineno, summary.name
    return recompiled.frame_summary, (arguments, summary.line, details)


def evaluated_annotations(owner: Any) -> dict[str, Any]:
    """The annotations of a function or class, as versions have them that evaluate them at once.

    As text, if they can't be evaluated.
    """
    own = vars(owner) if isinstance(owner, type) else None
    if own is not None and "__annotations__" in own:
        return dict(own["__annotations__"])
    if getattr(owner, "__annotate__", None) is None:
        return {} if own is not None else dict(owner.__annotations__)
    try:
        return dict(owner.__annotations__)
    except Exception:  # whatever the names in it do
        library: Any = importlib.import_module("annotationlib")
        return dict(library.get_annotations(owner, format=library.Format.STRING))


def reduce_class(pickler: Pickler, cls: type, reduced: Reduced) -> Reduced:
    """What cloudpickle makes of a class, without what depends on the version."""
    constructor, arguments, (space, slots), _, _, setter = reduced
    for name in _OF_ANNOTATIONS:
        space.pop(name, None)
    if annotations := evaluated_annotations(cls):
        space["__annotations__"] = annotations
    if cls.__qualname__ != cls.__name__:
        space["__qualname__"] = cls.__qualname__
    recipe, space = generated.taken_apart(cls, space)
    if recipe is not None and recipe.made is not None:
        constructor, arguments = recipe.made
    made = (recompiled.new_class, (constructor, *arguments))
    filling = (setter, (space, slots), recipe and recipe.steps)
    return (*made, filling, None, None, recompiled.fill_class)
