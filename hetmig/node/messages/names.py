"""Named tasks: a name belongs to one living task of a home node, and is found from all nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, NameTaken, NoSuchTask, ProtocolError
from hetmig.node import protocol
from hetmig.node.caller import Caller
from hetmig.node.directory import certificate_of
from hetmig.node.location import Place, policy_named
from hetmig.node.protocol import Buffer, Message, want

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["find", "found", "require_free", "settings_of"]

_SECONDS = 3.0
_LONGEST = 200
"""Characters of a name."""


def settings_of(wanted: dict[str, Any], about: dict[str, Any]) -> None:
    """Put into a new task's record how it is to be found.  Raises HetmigError."""
    if want(wanted, "named", bool, False):
        if not 0 < len(about["name"]) <= _LONGEST:
            raise ProtocolError(f"a name of a task has 1 to {_LONGEST} characters")
        about["named"] = True
    location = want(wanted, "location", str, None)
    if location is not None:
        about["location"] = policy_named(location).name


def require_free(node: Node, about: dict[str, Any]) -> None:
    """Raise NameTaken if another living task whose home this node is has the name."""
    if not about.get("named"):
        return
    for record in node.home.records.values():
        taken = record.about.get("named") and record.about["name"] == about["name"]
        if taken and record.outcome is None and record.id != about["id"]:
            raise NameTaken(
                f"{about['name']!r} is the name of a living task of {node.here['name']} already: "
                f"{record.id}",
                task=record.id,
                name=about["name"],
            )


async def find(node: Node, message: Message) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """Which task has this name, or id?  Raises NoSuchTask."""
    here_only = want(message.header, "here", bool, False)
    name = want(message.header, "name", str)
    return await found(node, name, message.caller, here_only), ()


async def found(node: Node, name: str, caller: Caller, here_only: bool = False) -> dict[str, Any]:
    """The living task of this name, or id: id, name and home.  Raises NoSuchTask.

    Tasks whose home this node is come first; two others of one name are none.
    """
    if (own := _own(node, name, caller)) is not None:
        return own
    others: dict[str, dict[str, Any]] = {}
    if not here_only:
        places = [node.directory.places[other] for other in node.directory.others()]
        answers = await asyncio.gather(*(_asked(node, place, name, caller) for place in places))
        others = {answer["task"]: answer for answer in answers if answer is not None}
    if len(others) == 1:
        return next(iter(others.values()))
    if others:
        homes = ", ".join(f"{a['task']} of {a['home']['name']}" for a in others.values())
        raise NoSuchTask(f"{name!r} is the name of several tasks: {homes}", name=name)
    raise NoSuchTask(f"no living task is named {name!r}", name=name)


def _own(node: Node, name: str, caller: Caller) -> dict[str, Any] | None:
    for record in node.home.records.values():
        about = record.about
        meant = record.id == name or (about.get("named") and about["name"] == name)
        if meant and record.what == "task" and record.outcome is None and caller.may_see(about):
            return {"task": record.id, "name": about["name"], "home": about["home"]}
    return None


async def _asked(node: Node, place: Place, name: str, caller: Caller) -> dict[str, Any] | None:
    link = node.directory.link(certificate_of(place))
    if link.is_broken:
        return None
    try:
        await node.directory.acquaint(place, node.about(), _SECONDS)
        asked = {"name": name, "here": True, "as": caller.key}
        answer = await link.request(protocol.FIND, asked, timeout=_SECONDS)
        told = {item: want(answer.header, item, str) for item in ("task", "name")}
        return {**told, "home": want(answer.header, "home", dict)}
    except HetmigError:
        return None
