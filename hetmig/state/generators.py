"""Generators, coroutines and async generators as pickles: the very place where they stand.

A generator may hold itself, and two owners may hold the same one.  So it is made first, holding
nothing, and filled when all it holds has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from hetmig.errors import NotMigratable
from hetmig.interpreter import awaitables, generators, revival
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Generator, Resume
from hetmig.interpreter.standing import standing
from hetmig.state import portable_frames, rebuild, recompiled
from hetmig.state.code import global_names
from hetmig.state.namespaces import Unsent

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["REDUCERS", "Running", "require_awaiters"]

Reduced = tuple[Any, ...]


class Running:
    """The generators that drive the frames of a stack, and what is known of each."""

    def __init__(self, stack: Sequence[Activation]) -> None:
        following = [*stack, None][1:]
        self._known = {
            id(activation.generator): (activation, self._calls(activation, after))
            for activation, after in zip(stack, following, strict=True)
            if activation.generator is not None
        }

    @staticmethod
    def _calls(activation: Activation, following: Activation | None) -> bool:
        return activation.resume is Resume.AFTER and following is not None

    def of(self, generator: Generator) -> tuple[Activation, bool] | None:
        """The activation of a generator that runs, and whether it has called the next frame."""
        return self._known.get(id(generator))

    def outline(self, generator: Generator) -> tuple[Activation, Reduced] | None:
        """The activation of a generator that runs, and what `revival.new_generator` needs of it."""
        known = self._known.get(id(generator))
        return None if known is None else (known[0], revival.outline(*known))


def _reduce_generator(pickler: Pickler, generator: Generator) -> Reduced:
    """Take a generator apart that is suspended, or one of the stack that is being frozen."""
    if pickler.portable:
        return _reduce_portably(pickler, generator)
    running = pickler.running.outline(generator) if pickler.running is not None else None
    if running is not None:
        return rebuild.generator, _made_of(pickler, generator, *running)
    if (reduced := _reduce_standing(pickler, generator)) is not None:
        return reduced
    activation = generators.capture_suspended(generator)
    if isinstance(generator, AsyncGeneratorType) and generator.ag_running:
        pickler.awaiting.setdefault(id(generator), generator)
    if activation is None:
        code = generators.code_of(generator)
        return rebuild.closed_generator, (code, *_names(generator, code))
    bound = [slot for slot in activation.slots if slot is not UNBOUND]
    stack = [value for value in activation.stack if value is not NULL]
    held: tuple[Any, ...] = bound, stack, activation.handled
    if pickler.namespaces == "referenced" and pickler.imported_as(activation.globals) is None:
        held = (*held, Unsent(activation.globals, global_names(activation.code)))
    outline = revival.outline(activation)
    looped = isinstance(generator, AsyncGeneratorType) and generators.has_finalizer(generator)
    constructor: Callable[..., Generator] = (
        rebuild.looped_generator if looped else rebuild.generator
    )
    if not looped and (place := pickler.reference(activation.code, activation.globals)) is not None:
        constructor = rebuild.referenced_generator
        made: Reduced = *place, *outline, *_names(generator, activation.code)
    else:
        made = _made_of(pickler, generator, activation, outline)
    return constructor, made, held, None, None, rebuild.fill_generator


def _reduce_standing(pickler: Pickler, generator: Generator) -> Reduced | None:
    """The same for the usual one, of a module that the destination has; None for all others."""
    found = standing(generator)
    if found is None:
        return None
    code, namespace, offset, bound, nulls, held = found
    place = pickler.reference(code, namespace)
    if place is None:
        return None
    made = *place, offset, bound, nulls, *_names(generator, code)
    return rebuild.standing_generator, made, held, None, None, rebuild.fill_standing


def _reduce_portably(pickler: Pickler, generator: Generator) -> Reduced:
    """The same in words of the source."""
    running = pickler.running.of(generator) if pickler.running is not None else None
    activation = running[0] if running is not None else generators.capture_suspended(generator)
    if isinstance(generator, AsyncGeneratorType) and generator.ag_running and running is None:
        pickler.awaiting.setdefault(id(generator), generator)
    names = generator.__name__, generator.__qualname__
    if activation is None:
        return rebuild.closed_generator, (generators.code_of(generator), *names)
    outline, held = portable_frames.taken_apart(pickler, activation)
    looped = isinstance(generator, AsyncGeneratorType) and generators.has_finalizer(generator)
    made = (
        pickler.home(activation.code, activation.globals),
        pickler.namespace(activation.globals),
        tuple(outline),
        running is not None and running[1],
        looped and running is None,
        names,
    )
    if running is not None:
        return recompiled.generator, made
    holds: tuple[Any, ...] = tuple(held)
    if pickler.namespaces == "referenced" and pickler.imported_as(activation.globals) is None:
        holds = (*holds, Unsent(activation.globals, global_names(activation.code)))
    return recompiled.generator, made, holds, None, None, recompiled.fill_generator


def _made_of(
    pickler: Pickler, generator: Generator, activation: Activation, outline: Reduced
) -> Reduced:
    code = pickler.home(activation.code, activation.globals)
    namespace = pickler.namespace(activation.globals)
    return code, namespace, *outline, *_names(generator, code)


def _names(generator: Generator, code: CodeType) -> tuple[str, ...]:
    """Its names, if they are not those of its code."""
    names = generator.__name__, generator.__qualname__
    return () if names == (code.co_name, code.co_qualname) else names


def _reduce_coroutine_wrapper(pickler: Pickler, wrapper: Any) -> Reduced:
    (coroutine,) = awaitables.passes_to(wrapper)
    return rebuild.coroutine_wrapper, (coroutine,)


def _reduce_async_step(pickler: Pickler, step: Any) -> Reduced:
    generator, value, state = awaitables.async_step(step)
    if state == awaitables.CLOSED:
        return rebuild.closed_async_step, ()
    if state == awaitables.FRESH:
        return rebuild.async_step, (generator, value)
    pickler.awaiting[id(generator)] = None
    return rebuild.async_step, (generator, None), True, None, None, rebuild.begin_async_step


def _reduce_async_throw(pickler: Pickler, end: Any) -> Reduced:
    raise NotMigratable("this Python does not show where an athrow() or aclose() stands: await it")


def require_awaiters(pickler: Pickler) -> None:
    """Raise NotMigratable for an async generator that stands in an `await`, with nobody awaiting.

    Only what awaits its next value can make it go on.
    """
    for generator in pickler.awaiting.values():
        if generator is not None:
            raise NotMigratable(
                f"the async generator {generator.__qualname__} is on its way to its next value, "
                "and whoever awaits that does not travel along"
            )


REDUCERS: dict[type, Any] = {
    GeneratorType: _reduce_generator,
    CoroutineType: _reduce_generator,
    AsyncGeneratorType: _reduce_generator,
    awaitables.COROUTINE_WRAPPER: _reduce_coroutine_wrapper,
    awaitables.ASYNC_STEP: _reduce_async_step,
    awaitables.ASYNC_THROW: _reduce_async_throw,
}
"""How each of these types is reduced."""
