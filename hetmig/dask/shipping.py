"""How a function comes to a worker, and what is called there: it runs in a hetmig runner."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from dask.base import tokenize
from distributed import Future, get_worker

import hetmig
from hetmig.dask.record import PLUGIN
from hetmig.errors import HetmigError, NotMigratable
from hetmig.state.image import value_frames

__all__ = ["Hosted", "Shipped", "mark_of", "portable", "resources_for", "shipped_argument"]

_PLAIN = (int, float, complex, bool, str, bytes, type(None))
_CONTAINERS = (list, tuple, set, frozenset)


def mark_of(function: Any) -> dict[str, Any] | None:
    """What `@hetmig.migratable` has left on a function, or on that of a partial."""
    while isinstance(function, functools.partial):
        function = function.func
    mark = getattr(function, "__hetmig__", None)
    return mark if isinstance(mark, dict) else None


class Hosted:
    """A function whose call is run, on a Dask worker, in a process that can be moved."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self.function
        return _run(function, mark_of(function) or {}, args, kwargs)


class Shipped:
    """A function in hetmig's portable form, which every version of Python can read."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.data = hetmig.dumps(function, portable=True)
        self.token = tokenize(function)
        self.mark = mark_of(function) or {}
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _run(hetmig.loads(self.data), self.mark, args, kwargs)

    def __dask_tokenize__(self) -> Any:
        return self.token


def portable(function: Callable[..., Any]) -> Shipped:
    """The function for `client.submit`, `client.map` and `dask.delayed`, on any version of Python.

    It needs no mark.  Raises NotMigratable for what can't be shipped so.
    """
    return Shipped(function)


def _run(
    function: Callable[..., Any], mark: Mapping[str, Any], args: Any, kwargs: dict[str, Any]
) -> Any:
    try:
        worker = get_worker()
    except ValueError:  # not on a worker at all: somebody calls it here
        return function(*args, **kwargs)
    plugin = worker.plugins.get(PLUGIN)
    if plugin is None:
        raise HetmigError(
            "hetmig is not installed on this worker: call hetmig.dask.install(client) first, and "
            'see that the worker can import hetmig (pip install "hetmig[dask]")'
        )
    return plugin.run(worker.get_current_task(), function, mark, args, kwargs)


class _Argument:
    """Pickles as the portable form, and is the value itself where it is unpickled."""

    def __init__(self, value: Any) -> None:
        self._data = hetmig.dumps(value, portable=True)
        self._token = tokenize(value)

    def __reduce__(self) -> tuple[Any, ...]:
        return hetmig.loads, (self._data,)

    def __dask_tokenize__(self) -> Any:
        return self._token


def shipped_argument(value: Any) -> Any:
    """An argument that holds code, in the portable form; others as they are, for Dask."""
    if isinstance(value, _PLAIN) or _holds_dask(value):
        return value
    try:
        _, is_portable = value_frames(value)
        return value if is_portable else _Argument(value)
    except NotMigratable:
        return value


def _holds_dask(value: Any) -> bool:
    if isinstance(value, Future) or hasattr(value, "__dask_graph__"):
        return True
    if isinstance(value, dict):
        return any(map(_holds_dask, value.values()))
    return isinstance(value, _CONTAINERS) and any(map(_holds_dask, value))


def resources_for(needs: Mapping[str, Any]) -> dict[str, float]:
    """The needs of a task as resources of Dask: a label is a resource `NAME:VALUE`, of which 0.

    Raises HetmigError for what Dask has no words for.
    """
    resources: dict[str, float] = {}
    for name, value in needs.items():
        if isinstance(value, bool) and value:
            resources[name] = 0
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            resources[name] = value
        elif isinstance(value, str) and name != "data":
            resources[f"{name}:{value}"] = 0
        else:
            raise HetmigError(
                f"the need {name}={value!r} has no counterpart in Dask: use a number, a text or "
                "True, or choose workers by `workers=`"
            )
    return resources
