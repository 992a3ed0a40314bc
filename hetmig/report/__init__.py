"""What became of tasks, as something to show a colleague: `nodes.report().save("report.html")`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from hetmig.errors import TaskLost
from hetmig.report.model import Lane, Report, Restart, Saved, Stay, Story

if TYPE_CHECKING:
    from hetmig.client import Nodes

__all__ = ["Lane", "Report", "Restart", "Saved", "Stay", "Story", "report_of"]


def report_of(nodes: Nodes, tasks: Collection[str] = ()) -> Report:
    """What a node tells of its tasks, or of these; see `Nodes.report`.  Raises TaskLost."""
    found = nodes._call(nodes._connection.tasks(None))
    known = {summary["id"]: summary for summary in found if summary["state"] != "replica"}
    for task in tasks:
        if task not in known:
            raise TaskLost(f"{nodes.name} knows no task {task}")
    chosen = [summary for id, summary in known.items() if not tasks or id in tasks]
    pythons = {node.name: node.python for node in nodes.nodes()}
    return Report.of(nodes.name, chosen, pythons)
