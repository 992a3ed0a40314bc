"""`copy.copy` of generators, coroutines and async generators: one more at the same place.

What the frame itself holds is copied: the iterators of its loops, and what it delegates to.  What
its variables lead to is shared, as with every shallow copy.
"""

from __future__ import annotations

import copy
import copyreg
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from hetmig.interpreter.activation import Generator

__all__ = ["copied", "register"]

_KINDS = (GeneratorType, CoroutineType, AsyncGeneratorType)


class _Original:
    """Keeps a generator from `pickle` and `copy.deepcopy`, which ask in the same way."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        kind = type(self.generator).__name__
        raise TypeError(f"cannot pickle '{kind}' object (hetmig.dumps and hetmig.loads can)")

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce_ex__(memo)


def register() -> None:
    """Let `copy.copy` take these types."""
    for kind in _KINDS:
        copyreg.pickle(kind, _reduce)  # type: ignore[arg-type]


def _reduce(generator: Generator) -> tuple[Any, ...]:
    return _copy, (_Original(generator),)


def _copy(original: _Original) -> Generator:
    return copied(original.generator)


def copied(generator: Generator) -> Generator:
    """One that stands where this one stands.  Raises NotMigratable for one that runs."""
    from hetmig.interpreter import generators, revival

    code = generators.code_of(generator)
    activation = generators.capture_suspended(generator)
    if activation is None:
        made = revival.closed_generator(code, {})
    else:
        activation.stack = [_own(value) for value in activation.stack]
        outline = revival.outline(activation)
        made = revival.new_generator(code, activation.globals, *outline)
        revival.fill(made, activation)
        if activation.resume.value == "yielded":
            revival.prime(made)
    made.__name__, made.__qualname__ = generator.__name__, generator.__qualname__
    return made


def _own(value: Any) -> Any:
    """What lies on the stack, for the copy alone if it has a place where it stands."""
    from hetmig.state.iterators import REDUCERS

    if isinstance(value, _KINDS):
        return copied(value)
    if not hasattr(type(value), "__next__"):
        return value
    reduce = REDUCERS.get(type(value))
    if reduce is None:
        return copy.copy(value)
    function, arguments, *state = reduce(value)
    made = function(*arguments)
    if state and state[0] is not None:
        made.__setstate__(state[0])
    return made
