"""Questions between scheduler, workers and clients, over Dask's own connections.

An error of ours comes back as data: an exception would be pickled, and logged as a crash.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from hetmig.errors import HetmigError
from hetmig.node.protocol import describe_error, rebuild_error

__all__ = ["PREFIX", "call", "handler"]

PREFIX = "hetmig_"


async def call(server: Any, what: str, **arguments: Any) -> Any:
    """Ask a server (an `rpc` of Dask's).  Raises HetmigError, or OSError if it does not answer."""
    told = await getattr(server, PREFIX + what)(**arguments)
    if told["error"] is not None:
        raise rebuild_error(told["error"])
    return told["value"]


def handler(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a handler of a server's."""

    @functools.wraps(function)
    async def handle(**arguments: Any) -> dict[str, Any]:
        try:
            value = function(**arguments)
            if inspect.isawaitable(value):
                value = await value
        except HetmigError as error:
            return {"error": describe_error(error), "value": None}
        return {"error": None, "value": value}

    return handle
