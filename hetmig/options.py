"""What can be said of a task that is to be submitted, besides its function and arguments."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from hetmig.handing_in import of_script
from hetmig.node.location import policy_named
from hetmig.node.placement.needs import checked
from hetmig.redirection.opening import checked as checked_policy

if TYPE_CHECKING:
    from hetmig.client import Nodes
    from hetmig.submitted import Task

__all__ = ["Options", "Submits", "settings"]

P = ParamSpec("P")
V = TypeVar("V")


def settings(
    *,
    name: str | None = None,
    location: str | None = None,
    needs: Mapping[str, Any] | None = None,
    files: str | None = None,
    at: str | None = None,
) -> dict[str, Any]:
    """As the record of a task has them.  Raises HetmigError or ValueError for what is none."""
    record: dict[str, Any] = {}
    if name is not None:
        record.update(name=name, named=True)
    if location is not None:
        record["location"] = policy_named(location).name
    if needs:
        record["needs"] = checked(needs)
    if files is not None:
        checked_policy(files)
        record["files"] = files
    if at is not None:
        record["at"] = at
    return record


class Submits(ABC):
    """What functions can be submitted to: a connection, or one with options."""

    @overload
    def submit(
        self,
        function: Callable[P, Coroutine[Any, Any, V]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Task[V]: ...
    @overload
    def submit(self, function: Callable[P, V], /, *args: P.args, **kwargs: P.kwargs) -> Task[V]: ...
    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        """Run `function(*args, **kwargs)` on the node.

        Functions the node can import travel by reference, all others by value with the globals
        they use.  Raises NotMigratable, naming the argument, for what cannot travel; NeedsNotMet
        if no node has what `@hetmig.migratable(needs=...)` says; NameTaken.  `Nodes.with_options`
        has what can be said of the task besides.
        """
        return self._submit(function, args, kwargs)

    @abstractmethod
    def _submit(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Task: ...


class Options(Submits):
    """`nodes.with_options(name="collector", needs={"gpu": 1}).submit(function, *args)`."""

    def __init__(self, nodes: Nodes, record: dict[str, Any]) -> None:
        self._nodes = nodes
        self._record = record

    def _submit(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Task:
        return self._nodes._submit(function, args, kwargs, self._record)

    def run_script(
        self,
        file: str | os.PathLike[str],
        argv: Sequence[str] = (),
        *,
        stdin: Any = None,
        **kept: Any,
    ) -> Task:
        """As `Nodes.run_script`.  Raises NameTaken."""
        handed = of_script(file, argv, self._record, stdin=stdin is not None, **kept)
        return self._nodes._submitted(handed, stdin)
