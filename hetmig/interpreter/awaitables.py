"""What stands between an `await` and the frame it waits for, and passes on all that comes.

Sources: `PyAsyncGenASend` in CPython's genobject.c; PEP 492, PEP 525.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Generator, Iterator
from types import AsyncGeneratorType
from typing import Any, NamedTuple

from hetmig.interpreter.insides import ABSENT, Insides, Witness

__all__ = [
    "ASYNC_STEP",
    "ASYNC_THROW",
    "AWAITABLES",
    "BEGUN",
    "CLOSED",
    "COROUTINE_WRAPPER",
    "FRESH",
    "AsyncStep",
    "async_step",
    "belonging_to",
]

FRESH, BEGUN, CLOSED = 0, 1, 2
"""`enum AwaitableState`."""


async def _coroutine() -> None:
    pass


class _Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


async def _values() -> Any:
    await _Pause()
    yield


@contextlib.contextmanager
def belonging_to(finalizer: Callable[[Any], None] | None = None) -> Iterator[None]:
    """Async generators that begin in this block belong to no event loop, or to this finalizer's.

    One of hetmig's own would else be closed by the loop that the program happens to run.
    """
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, finalizer)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*before)


@belonging_to()
def _types() -> tuple[type, type, type]:
    coroutine, step, end = _coroutine(), _values().asend(None), _values().aclose()
    types = type(coroutine.__await__()), type(step), type(end)
    coroutine.close()  # none of them is ever awaited
    step.close()
    end.close()
    return types


COROUTINE_WRAPPER, ASYNC_STEP, ASYNC_THROW = _types()
"""What `coroutine.__await__()`, `async_generator.asend()` and `.athrow()` or `.aclose()` give."""

AWAITABLES = (COROUTINE_WRAPPER, ASYNC_STEP)
"""Those of them of which it is known what they hold."""


def _witnesses() -> Iterator[Witness]:
    first, second, value = _values(), _values(), object()
    with belonging_to():
        fresh: Any = first.asend(value)
        begun: Any = second.asend(None)
    yield fresh, {"generator": first, "value": value, "state": FRESH}
    begun.send(None)
    yield begun, {"generator": second, "state": BEGUN}
    fresh.close()
    begun.close()
    yield fresh, {"generator": first, "state": CLOSED}


_STEP = Insides("generator* value* state:int", _witnesses)


class AsyncStep(NamedTuple):
    """An async generator on its way to its next value, as whoever awaits that holds it."""

    generator: AsyncGeneratorType[Any, Any]
    value: object
    """What it was sent."""
    state: int
    """FRESH, BEGUN or CLOSED."""


def async_step(step: object) -> AsyncStep:
    """What such an object holds.  Raises NotMigratable."""
    held = _STEP.read(step)
    value = None if held["value"] is ABSENT else held["value"]
    return AsyncStep(held["generator"], value, held["state"])


def passes_to(awaitable: object) -> list[object]:
    """What one of AWAITABLES holds."""
    return gc.get_referents(awaitable)
