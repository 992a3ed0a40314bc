"""What can be said of a task that is to be submitted, as `hetmig.options`, for asyncio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from hetmig.aio.nodes import Nodes
    from hetmig.aio.task import Task

__all__ = ["Options", "Submits"]

P = ParamSpec("P")
R = TypeVar("R")


class Submits(ABC):
    """What functions can be submitted to: a connection, or one with options."""

    @overload
    def submit(
        self,
        function: Callable[P, Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Task[R]: ...
    @overload
    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Task[R]: ...
    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        """Run `function(*args, **kwargs)` on the node: `result = await nodes.submit(job, 42)`.

        Returns at once, with the arguments taken as they are now.  Awaiting the task, or its
        methods, raises what is in the way: NotMigratable, naming the argument; NeedsNotMet;
        NameTaken; NodeUnreachable.
        """
        return self._submit(function, args, kwargs)

    @abstractmethod
    def _submit(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Task: ...


class Options(Submits):
    """`await nodes.with_options(name="collector", needs={"gpu": 1}).submit(function, *args)`."""

    def __init__(self, nodes: Nodes, record: dict[str, Any]) -> None:
        self._nodes = nodes
        self._record = record

    def _submit(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Task:
        return self._nodes._submit(function, args, kwargs, self._record)
