"""What becomes of that which a drain could not deal with, in words for its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetmig.node.handoff import State
from hetmig.node.hosted import Hosted
from hetmig.node.rehoming.handing_over import needs_home

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["homeless", "what_remains"]


def what_remains(node: Node, hosted: Hosted, why: str, ends: bool) -> dict[str, Any]:
    """`fate` and `reason` of a task that neither moved nor could be kept as it stands."""
    if hosted.handoff.state is State.COMMITTED:
        to = hosted.peer["place"]["name"]
        why = f"it was handed to {to}, which has not confirmed it"
    elif not hosted.is_here:
        why = "it was on its way here"
    if not ends:
        return {"fate": "stays", "reason": why}
    if not node.journal.is_durable:
        return {"fate": "lost", "reason": f"{why}; the node ended, and has no journal"}
    stands = hosted.runner is None or hosted.about.get("what") == "object"
    if hosted.handoff.state is State.RUNNING and not stands:
        again = "the next start goes on from its last image: what it has done since is done again"
    else:
        again = "the next start goes on with it"
    return {"fate": "kept", "reason": f"{again} ({why})"}


def homeless(node: Node) -> list[dict[str, Any]]:
    """The tasks that lose their home with this node: they run elsewhere, or nobody has the result.

    `waits`: whether it is worth while to wait for them.
    """
    found = []
    for record in node.home.records.values():
        if not needs_home(node, record):
            continue
        if record.outcome is None:
            reason = f"it runs on {record.place['name']}, and its home ends: its result is lost"
            waits = record.output.is_followed
        else:
            reason, waits = "nobody has fetched its result", record.output.is_followed
        entry = {"task": record.id, "name": record.about["name"], "what": record.what}
        entry |= {"fate": "homeless", "to": None, "checkpoint": None, "reason": reason}
        found.append({**entry, "waits": waits})
    return found
