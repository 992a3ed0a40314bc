"""What the tasks of an executor run around the function that was submitted.

It is imported in the tasks, so it needs nothing of the client.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hetmig.errors import InitializerFailed

__all__ = ["call_chunk", "call_chunk_async", "call_initialized", "chunked"]


def call_initialized(
    initializer: Callable[..., object],
    initargs: Sequence[Any],
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    """Prepare this task's process, then call the function.  Raises InitializerFailed."""
    try:
        initializer(*initargs)
    except Exception as error:
        raise InitializerFailed(f"the initializer raised {error!r}") from error
    return function(*args, **kwargs)


def chunked(function: Callable[..., Any]) -> Callable[..., Any]:
    """What calls it for each item of a chunk."""
    return call_chunk_async if inspect.iscoroutinefunction(function) else call_chunk


def call_chunk(function: Callable[..., Any], chunk: Sequence[Sequence[Any]]) -> list[Any]:
    """Call the function for each item; moved in between, it goes on with the next one."""
    results = []
    for args in chunk:
        results.append(function(*args))
    return results


async def call_chunk_async(
    function: Callable[..., Any], chunk: Sequence[Sequence[Any]]
) -> list[Any]:
    """The same for an `async def`."""
    results = []
    for args in chunk:
        results.append(await function(*args))
    return results
