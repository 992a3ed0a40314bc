"""What portable state calls while it is thawed: code is compiled here, and classes are finished.

Every name here stands in parcels and checkpoints: to rename one is to break the old ones.
"""

from __future__ import annotations

import functools
import sys
import typing
import weakref
from collections.abc import Callable
from types import CellType, CodeType, FunctionType
from typing import Any

from hetmig.errors import NotMigratable, SourceChanged
from hetmig.interpreter import revival
from hetmig.interpreter.activation import Generator, Resume
from hetmig.state import generated, portable_frames, rebuild, references, sources
from hetmig.state.instances import set_slots, state_parts

__all__ = ["code", "code_of_module", "fill_class", "fill_function", "function", "new_class"]

_living: dict[int, tuple[CodeType, weakref.ref[CodeType]]] = {}


def source(text: str, file: str, flags: int, optimize: int) -> sources.Source:
    """A text from elsewhere."""
    return sources.arrive(text, file, flags, optimize)


def code(source: sources.Source, index: int, kind: str, name: str) -> CodeType:
    """The code that this version makes of one scope of a source."""
    try:
        found = source.codes.get(index)
    except (SyntaxError, ValueError) as error:
        raise NotMigratable(
            f"{source.file} can't be compiled by Python {sys.version.split()[0]}: {error}"
        ) from None
    scope = source.scopes[index] if index < len(source.scopes) else None
    if scope is None or (scope.kind, scope.name) != (kind, name):
        raise NotMigratable(f"this version of Python reads {source.file} in another way")
    return _present(found, ".".join(scope.path))


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
    module = rebuild.module(module_name)
    text = sources.text_of_module(module)
    name = f"{module_name}.{'.'.join(path)}"
    if text is None:
        raise _changed(name, digest, f"{module_name} has no source here")
    file = getattr(module, "__file__", None) or f"<{module_name}>"
    present = sources.source(text, file, 0, sys.flags.optimize)
    alike = present.scopes.alike(kind, path, digest)
    if len(alike) not in (1, count):
        raise _changed(name, digest, f"the source of {name} is another one here, or is not here")
    index = alike[which] if len(alike) == count else alike[0]
    compiled = _present(present.codes.get(index), name)
    known = _living.get(id(compiled))
    living = known[1]() if known is not None else None
    if living is None:
        living = references.living(module, compiled)
        _living[id(compiled)] = compiled, weakref.ref(living)
        sources.remember(living, sources.Located(present, index))
    return living


def _changed(name: str, digest: bytes, what: str) -> SourceChanged:
    module = name.partition(".")[0]
    return SourceChanged(
        f"{what}; what stands in the middle of it can go on only in the same code: have the same "
        f"version of {module} on both sides, or cloudpickle.register_pickle_by_value({module})",
        function=name,
        needed=digest.hex(),
        present=None,
    )


def closure(
    code: CodeType, names: tuple[str, ...], cells: tuple[CellType, ...]
) -> tuple[CellType, ...]:
    """The cells of the free variables in this version's order.  Raises NotMigratable."""
    by_name = dict(zip(names, cells, strict=True))
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
    return FunctionType(code, namespace, closure=closure(code, names, cells))


def fill_function(function: FunctionType, state: dict[str, Any]) -> None:
    """Give a function its attributes, and its namespace what it refers to there."""
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
