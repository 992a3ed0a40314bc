"""What became of tasks, as something to show a colleague: `nodes.report().save("report.html")`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import TaskLost
from hetmig.node import protocol
from hetmig.report.model import Lane, Report, Restart, Saved, Stay, Story

if TYPE_CHECKING:
    from hetmig.client import NodeInfo, Nodes

__all__ = ["Lane", "Report", "Restart", "Saved", "Stay", "Story", "report_from", "report_of"]


def report_of(nodes: Nodes, tasks: Collection[str] = ()) -> Report:
    """What a node tells of its tasks, or of these; see `Nodes.report`.  Raises TaskLost."""
    found = nodes._call(nodes._connection.request(protocol.TASKS, {}))["tasks"]
    return report_from(nodes.name, found, nodes.nodes(), tasks)


def report_from(
    name: str, summaries: Sequence[Any], infos: Iterable[NodeInfo], tasks: Collection[str]
) -> Report:
    """The report of what the node `name` has told.  Raises TaskLost."""
    known = {summary["id"]: summary for summary in summaries if summary["state"] != "replica"}
    for task in tasks:
        if task not in known:
            raise TaskLost(f"{name} knows no task {task}")
    chosen = [summary for id, summary in known.items() if not tasks or id in tasks]
    return Report.of(name, chosen, {node.name: node.python for node in infos})
