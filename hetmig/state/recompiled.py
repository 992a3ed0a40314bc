"""What portable state calls while it is thawed: code is compiled here, and classes are finished.

Every name here stands in parcels and checkpoints: to rename one is to break the old ones.
"""

from __future__ import annotations

import functools
import sys
import traceback
import typing
import weakref
from collections.abc import Callable
from types import CellType, CodeType, FunctionType
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython, revival
from hetmig.interpreter.activation import Generator, Resume
from hetmig.state import generated, library_code, portable_frames, rebuild, references, sources
from hetmig.state.instances import set_slots, state_parts

__all__ = ["code", "code_of_module", "fill_class", "fill_function", "function", "new_class"]

_living: dict[int, tuple[CodeType, weakref.ref[CodeType]]] = {}


def source(text: str, file: str, flags: int, optimize: int) -> sources.Source:
    """A text from elsewhere."""
    return sources.arrive(text, file, flags, optimize)


def code(source: sources.Source, index: int, kind: str, name: str, flags: int = 0) -> CodeType:
    """The code that this version makes of one scope of a source; `flags`: see `awaitable`."""
    try:
        found = source.codes.get(index)
    except (SyntaxError, ValueError) as error:
        raise NotMigratable(
            f"{source.file} can't be compiled by Python {sys.version.split()[0]}: {error}"
        ) from None
    scope = source.scopes[index] if index < len(source.scopes) else None
    if scope is None or (scope.kind, scope.name) != (kind, name):
        raise NotMigratable(f"this version of Python reads {source.file} in another way")
    present = _present(found, ".".join(scope.path))
    if (made := sources.awaitable(present, flags)) is not present:
        sources.remember(made, sources.Located(source, index))
    return made


def _present(found: CodeType | None, name: str) -> CodeType:
    if found is None:
        raise NotMigratable(
            f"Python {sys.version.split()[0]} has no code object of its own for {name}"
        )
    return found


def code_of_module(
    module_name: str, kind: str, path: tuple[str, ...], digest: bytes, which: int, count: int
) -> CodeType:
    """The code of a scope with this text in a module here."""
    theirs = library_code.Text(module_name, path, "", digest, cpython.VERSION)
    present = _source_here(theirs)
    index = _alike(present, theirs, kind, which, count)
    if index is None:
        raise library_code.changed(theirs)
    return _living_code(present, index, theirs)


def code_of_library(
    text: tuple[Any, ...],
    kind: str,
    which: int,
    count: int,
    own: sources.Source | None = None,
    number: int = 0,
) -> CodeType:
    """The code of a scope in a module of the standard library here.

    It may have another text than at the source: who stands in the middle of it looks whether it
    can go on in this one.  `own`: the source whose scope `number` goes on here by itself.
    """
    theirs = library_code.Text(*text)
    present = _source_here(theirs)
    index = _alike(present, theirs, kind, which, count)
    if index is not None:
        return _living_code(present, index, theirs)
    named = [n for n, s in enumerate(present.scopes) if (s.kind, s.path) == (kind, theirs.path)]
    if len(named) == 1 and (
        own is None or library_code.is_exchangeable(theirs, _alone(present, named[0]))
    ):
        found = _living_code(present, named[0], theirs)
        rebuild.texts()[id(found)] = theirs
        return found
    if own is None:
        raise library_code.changed(theirs)
    return _by_itself(own, number, kind, theirs)


def _by_itself(own: sources.Source, number: int, kind: str, theirs: library_code.Text) -> CodeType:
    """The code of the source's own text, in words that this version's library understands."""
    made = code(own, number, kind, theirs.path[-1])
    adapted = library_code.adapted(theirs, own.text)
    if adapted == own.text:
        return made
    # every node stays at its place
    made = code(sources.source(adapted, *own.options), number, kind, theirs.path[-1])
    sources.remember(made, sources.Located(own, number))
    return made


def _source_here(theirs: library_code.Text) -> sources.Source:
    module = rebuild.module(theirs.module)
    text = sources.text_of_module(module)
    if text is None:
        raise library_code.changed(theirs, f"{theirs.module} has no source here")
    file = getattr(module, "__file__", None) or f"<{theirs.module}>"
    return sources.source(text, file, 0, sys.flags.optimize)


def _alone(present: sources.Source, index: int) -> str:
    return present.scopes.alone(index).lstrip("\n")


def _alike(
    present: sources.Source, theirs: library_code.Text, kind: str, which: int, count: int
) -> int | None:
    """The scope with the very text."""
    alike = present.scopes.alike(kind, theirs.path, theirs.digest)
    if len(alike) == count:
        return alike[which]
    return alike[0] if len(alike) == 1 else None


def _living_code(present: sources.Source, index: int, theirs: library_code.Text) -> CodeType:
    module = rebuild.module(theirs.module)
    compiled = _present(present.codes.get(index), theirs.name)
    known = _living.get(id(compiled))
    living = known[1]() if known is not None else None
    if living is None:
        living = references.living(module, compiled)
        _living[id(compiled)] = compiled, weakref.ref(living)
        sources.remember(living, sources.Located(present, index))
    return living


def _text_here(code: CodeType) -> str:
    located = sources.locate(code)
    return _alone(located.source, located.number)


def closure(
    code: CodeType,
    names: tuple[str, ...],
    cells: tuple[CellType, ...],
    namespace: dict[str, Any],
) -> tuple[CellType, ...]:
    """The cells of the free variables in this version's order.  Raises NotMigratable."""
    by_name = dict(zip(names, cells, strict=True))
    if str(namespace.get("__name__")).startswith("asyncio."):
        for name in library_code.CALL_GRAPH - by_name.keys():
            by_name[name] = CellType(None)
    missing = [name for name in code.co_freevars if name not in by_name]
    if missing:
        raise NotMigratable(
            f"{code.co_qualname} refers to {missing[0]} of the function around it in this version "
            "of Python, and did not where it comes from"
        )
    return tuple(by_name[name] for name in code.co_freevars)


def function(
    code: CodeType,
    namespace: dict[str, Any],
    names: tuple[str, ...],
    cells: tuple[CellType, ...],
) -> FunctionType:
    """A function which still lacks its attributes."""
    theirs = rebuild.texts().get(id(code))
    if theirs is not None and not library_code.is_exchangeable(theirs, _text_here(code)):
        raise library_code.changed(theirs)
    return FunctionType(code, namespace, closure=closure(code, names, cells, namespace))


def fill_function(function: FunctionType, state: dict[str, Any]) -> None:
    """Give a function its attributes, and its namespace what it refers to there."""
    theirs = rebuild.texts().get(id(function.__code__))
    if theirs is not None:
        text = _text_here(function.__code__)
        by_place = library_code.defaults(theirs, text, state.get("__defaults__") or ())
        by_name = library_code.keyword_defaults(text, state.get("__kwdefaults__") or {})
        state = {**state, "__defaults__": by_place or None, "__kwdefaults__": by_name or None}
    rebuild.fill_function(function, state)


def generator(
    code: CodeType,
    namespace: dict[str, Any],
    outline: tuple[Any, ...],
    inner: bool,
    looped: bool,
    names: tuple[str, str],
) -> Generator:
    """A generator that holds nothing yet; see `portable_frames`."""
    known = portable_frames.Outline(*outline)
    form = portable_frames.form_of(code, namespace, known)
    make = rebuild.looped_generator if looped else rebuild.generator
    made = make(code, namespace, *revival.outline(form, inner), *names)
    if form.resume in (Resume.CREATED, Resume.YIELDED):
        rebuild.outlines()[id(made)] = known, form  # until it is filled
    return made


def fill_generator(made: Generator, held: tuple[Any, ...]) -> None:
    """Give a generator what it is to hold, and let it stand where the original stood.

    `held`: its variables, its stack and the exceptions being handled, and what its code refers to
    in its namespace, if that travels by value.
    """
    rebuild.form_of(made)
    outline, form = rebuild.outlines().pop(id(made))
    variables, stack, handled, *names = held
    form.globals.update(*names)
    values = portable_frames.Held(variables, stack, handled)
    filled = portable_frames.activation_of(form.code, form.globals, outline, values)
    if not portable_frames.same_form(form, filled):
        raise NotMigratable("where this generator stands depends on what it holds")
    rebuild.complete_generator(made, filled)


def dispatching(name: str) -> Any:
    """A `functools.singledispatch` function that knows of no types yet."""

    def unknown(*arguments: object) -> None:
        raise TypeError("this function is not complete yet")

    unknown.__name__ = name
    return functools.singledispatch(unknown)


def fill_dispatching(
    function: Any, filling: tuple[dict[type, Callable[..., Any]], dict[str, Any]]
) -> None:
    """Give it what it calls for each type, and its attributes."""
    registered, state = filling
    for cls, called in registered.items():
        function.register(cls, called)
    functools.update_wrapper(function, registered[object])
    vars(function).update(state)


def dispatching_method(
    function: Callable[..., Any], registered: dict[type, Callable[..., Any]]
) -> Any:
    """A `functools.singledispatchmethod`."""
    made: Any = functools.singledispatchmethod(function)
    for cls, called in registered.items():
        made.dispatcher.register(cls, called)
    return made


def fill_library_object(obj: Any, filling: tuple[Any, tuple[int, int], tuple[str, ...]]) -> None:
    """Give an instance of the standard library's class its state, and what is new here."""
    from hetmig.state import library_objects

    state, version, known = filling
    set_state = getattr(obj, "__setstate__", None)
    if set_state is not None and state is not None:
        set_state(state)
    else:
        in_dict, in_slots = state_parts(state)
        if in_dict:
            vars(obj).update(in_dict)
        set_slots(obj, in_slots)
    library_objects.complete(obj, version, known)


def partial_method(
    function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """A method with some of its arguments."""
    return functools.partialmethod(function, *args, **keywords)


def frame_summary(arguments: tuple[str, int, str], line: str, details: dict[str, Any]) -> Any:
    """A line of a printed traceback; each version keeps other things of it."""
    names = details.pop("locals")
    made = traceback.FrameSummary(*arguments, lookup_line=False, line=line, **details)
    made.locals = names  # texts already
    return made


def forward_reference(name: str, options: dict[str, Any]) -> Any:
    """The name in an annotation of something that may come later."""
    return typing.ForwardRef(name, **options)


def new_class(constructor: Callable[..., type], *args: Any) -> type:
    """A class which still lacks its members, or the one of this process if it comes home."""
    made = rebuild.new_class(constructor, *args)
    if made not in rebuild.known_classes:
        rebuild.hollow_classes().add(made)
    return made


def fill_class(cls: type, filling: tuple[Callable[[type, Any], Any], Any, Any]) -> None:
    """Give a new class its members, and what its generator makes of them."""
    setter, state, steps = filling
    if cls in rebuild.known_classes:
        return
    setter(cls, state)
    rebuild.known_classes.add(cls)
    rebuild.unfinished_classes()[cls] = steps
    _finish_classes()


def _finish_classes() -> None:
    """Have the libraries do their part for all classes whose bases are complete.

    A base may refer to what derives from it, which is read before the base is filled then.
    """
    hollow, unfinished = rebuild.hollow_classes(), rebuild.unfinished_classes()
    progress = True
    while progress:
        progress = False
        for cls, steps in list(unfinished.items()):
            if not any(base in hollow for base in cls.__mro__ if base is not cls):
                del unfinished[cls]
                if steps:
                    generated.finish(cls, steps)
                hollow.discard(cls)
                progress = True
