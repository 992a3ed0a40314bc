"""Plain functions that run what is not one: under torture they are part of the program.

To let the harness take another kind of program, add what recognises it and its driver to `_KINDS`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ["drive_coroutine", "drive_generator", "driven"]


def drive_generator(
    function: Callable[..., Generator[Any, Any, Any]], /, *args: Any, **kwargs: Any
) -> tuple[list[object], object]:
    """Run a generator to its end: what it has yielded, and what it has returned."""
    generator = function(*args, **kwargs)
    yielded: list[object] = []
    while True:
        try:
            value = next(generator)
        except StopIteration as stop:
            return yielded, stop.value
        yielded.append(value)


def drive_coroutine(
    function: Callable[..., Coroutine[Any, Any, Any]], /, *args: Any, **kwargs: Any
) -> object:
    """Run an `async def main` under asyncio, on a loop on which sleeping takes no time.

    asyncio must be the one written in Python, see docs/asyncio.md; with the one in C, which can't
    move, time passes as it does.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if asyncio.Task.__module__ == "asyncio.tasks":
        from hetmig.testing import virtual_time

        factory = virtual_time.VirtualLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(function(*args, **kwargs))


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[..., object]], ...] = (
    (inspect.isgeneratorfunction, drive_generator),
    (inspect.iscoroutinefunction, drive_coroutine),
)


def driven(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, or what calls it and drives what it gives."""
    for is_kind, driver in _KINDS:
        if is_kind(function):
            return functools.partial(driver, function)
    return function
