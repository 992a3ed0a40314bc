"""What can be said of a task that is to be submitted, besides its function and arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from hetmig.node.location import policy_named
from hetmig.node.placement.needs import checked
from hetmig.redirection.opening import checked as checked_policy

if TYPE_CHECKING:
    from hetmig.client import Nodes
    from hetmig.submitted import Task

__all__ = ["Options", "settings"]

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


class Options:
    """`nodes.with_options(name="collector", needs={"gpu": 1}).submit(function, *args)`."""

    def __init__(self, nodes: Nodes, record: dict[str, Any]) -> None:
        self._nodes = nodes
        self._record = record

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
        """As `Nodes.submit`.  Raises NameTaken."""
        return self._nodes._submit(function, args, kwargs, self._record)

    def run_script(
        self, file: str | os.PathLike[str], argv: Sequence[str] = (), **kwargs: Any
    ) -> Task:
        """As `Nodes.run_script`.  Raises NameTaken."""
        return self._nodes._run_script(file, argv, self._record, **kwargs)
