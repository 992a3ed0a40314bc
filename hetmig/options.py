"""What can be said of a task that is to be submitted, besides its function and arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.node.location import policy_named

if TYPE_CHECKING:
    from hetmig.client import Nodes
    from hetmig.submitted import Task

__all__ = ["Options"]


class Options:
    """`nodes.with_options(name="collector", location="chain").submit(function, *args)`."""

    def __init__(self, nodes: Nodes, name: str | None, location: str | None) -> None:
        self._nodes = nodes
        self._record: dict[str, Any] = {}
        if name is not None:
            self._record.update(name=name, named=True)
        if location is not None:
            self._record["location"] = policy_named(location).name

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        """As `Nodes.submit`.  Raises NameTaken."""
        return self._nodes._submit(function, args, kwargs, self._record)

    def run_script(
        self, file: str | os.PathLike[str], argv: Sequence[str] = (), **kwargs: Any
    ) -> Task:
        """As `Nodes.run_script`.  Raises NameTaken."""
        return self._nodes.run_script(file, argv, more=self._record, **kwargs)
