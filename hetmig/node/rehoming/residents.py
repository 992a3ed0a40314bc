"""The node that has a task, or something to report of it, hears that it has another home now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetmig.errors import JournalError, MigrationRefused
from hetmig.node.handoff import State
from hetmig.node.protocol import Message, want
from hetmig.node.rehoming.deeds import Claim, at_home, require_believable, term_of

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["hear", "heard", "require_home"]

_UNRECORDED = (State.ABSENT, State.STAGING, State.CLAIMED)


async def heard(node: Node, message: Message) -> dict[str, Any]:
    """A node says that it is the home of a task; or, with `could`, asks whether it could be."""
    if "could" in message.header:
        await node.moves.require_home(want(message.header, "could", dict))
        require_home(node, want(message.header, "task", str), want(message.header, "from", dict))
        return {}
    claim = Claim.of(message.header)
    hosted = node.tasks.get(claim.task)
    if hosted is not None and hosted.about and require(hosted.about, claim, message.user):
        await node.moves.require_home(claim.home)
    return hear(node, claim)


def require(about: dict[str, Any], claim: Claim, sender: bytes) -> bool:
    """Whether a claim says something new.  Raises Unauthorized if it is not believed then."""
    if claim.term <= term_of(about):
        return False
    require_believable(about, claim, sender)
    return True


def require_home(node: Node, task: str, source: dict[str, Any]) -> None:
    """Raise MigrationRefused if a task that is known here has another home than it is said."""
    hosted = node.tasks.get(task)
    home = source if hosted is None or not hosted.about else hosted.about["home"]
    if home["key"] != source.get("key"):
        raise MigrationRefused(f"task {task} still reports to {home['name']}: try again")


def hear(node: Node, claim: Claim) -> dict[str, Any]:
    """A home that is believed: all that is said of the task goes there from now on.

    What the task is here, and where it went from here.
    """
    hosted = node.tasks.get(claim.task)
    if hosted is None or not hosted.about:
        return {"state": None, "forward": None}
    if claim.term > term_of(hosted.about):
        before = at_home({}, hosted.about)
        hosted.about.update(home=claim.home, term=claim.term, deed=claim.deed)
        try:
            if hosted.handoff.state not in _UNRECORDED:
                hosted.entry.record()
        except JournalError:
            hosted.about.update(before)  # it is told once more
            raise
    if claim.term == term_of(hosted.about):
        _readdress(node, claim, hosted.about)
    return {"state": hosted.handoff.state.value, "forward": hosted.forward}


def _readdress(node: Node, claim: Claim, about: dict[str, Any]) -> None:
    """What other homes have not confirmed, and what was held, goes to this one."""
    for endpoint, key, header, payload in node.directory.take_out(claim.task, claim.home):
        node.journal.posted(endpoint, key)
        node.report(about, header, payload)
    for key, header, payload in node.rehoming.release(claim.task):
        node.journal.posted(node.here["endpoint"], key)
        node.report(about, header, payload)
