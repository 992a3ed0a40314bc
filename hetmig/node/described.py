"""What a node says of a task, actor or object that is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetmig.node.hosted import Hosted
from hetmig.node.shelf import Shelf
from hetmig.state.manifest import this_python

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["load", "needs", "summary"]


def summary(hosted: Hosted, here: dict[str, Any]) -> dict[str, Any]:
    """All as JSON, from a node that is not its home."""
    return {
        "id": hosted.id,
        "name": hosted.about["name"],
        "what": hosted.about.get("what", "task"),
        "state": "running" if hosted.is_running else "kept",
        "node": here["name"],
        "endpoint": here["endpoint"],
        "home": hosted.about["home"]["name"],
        "submitted": None,
        "progress": None,
        "hops": [],
        "moves": 0,
    }


def needs(hosted: Hosted) -> dict[str, Any]:
    """What a destination must know beforehand: the size of an object, the Python of a task."""
    shelf: Any = hosted.runner
    if not isinstance(shelf, Shelf):
        return {"python": this_python()}
    size = {} if hosted.is_running else {"bytes": shelf.nbytes}
    return {"python": shelf.manifest["python"], **size}


def load(node: Node) -> dict[str, Any]:
    """What a node has to do, and whether it would take more."""
    return {
        "python": this_python(),
        "tasks": sum(hosted.is_running for hosted in node.tasks.known()),
        "draining": node.draining,
        "runners": node.pool.size,
        "memory": node.pool.memory(),
    }
