"""What is new on a node: a function or script to run, an actor to make, an object to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import AlreadyThere, HetmigError, JournalError, TaskFailed
from hetmig.node import protocol, trace_context
from hetmig.node.background import spawn
from hetmig.node.caller import Caller
from hetmig.node.checkpoints import admitted, settings_of
from hetmig.node.events import happened
from hetmig.node.hosted import Hosted
from hetmig.node.messages import names
from hetmig.node.placement.needs import checked
from hetmig.node.protocol import Buffer, Message, want
from hetmig.node.rights import require_control
from hetmig.state.manifest import check_python
from hetmig.state.parcel import Parcel, open_sealed

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["submit", "take_in"]

_PLACE_SECONDS = 30.0
_KINDS = ("task", "actor", "object")


async def submit(node: Node, message: Message) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """A client hands something in."""
    parcel = open_sealed(message.payload, node.reception.session(message.user))
    return await take_in(node, message.header, parcel, message.caller), ()


async def take_in(
    node: Node, header: dict[str, Any], parcel: Parcel, caller: Caller
) -> dict[str, Any]:
    """Take it in; this node is its home from now on.  With `at` it begins at another node.

    An object has arrived where it is to be when this is answered.
    """
    at = want(header, "at", str, None)
    if at is not None and node.directory.is_here(at):
        at = None
    about = _record(node, parcel, caller.key)
    if node.ending or (node.draining and at is None):
        name = node.here["name"]
        undo = f"submit to another node, or let it take them again: `hetmig drain {name} --undo`"
        raise TaskFailed(f"{name} is draining and takes no tasks; {undo}")
    places: list[str] = []
    if at is None and about["id"] not in node.home.records:
        places = await node.placing.choose(about, parcel)
    if about["what"] != "object" and at is None and not places:
        check_python(parcel.manifest)
    if (known := node.about_task(about["id"])) is not None:
        require_control(protocol.SUBMIT, caller, known)  # nobody puts a task in another's place
    if about["id"] not in node.home.records:  # else it is a repeated request
        _require_room(node, about, caller)
        hosted, parcel = await _kept(node, about, parcel)
        node.took_in(about)
        begin = _begin(node, hosted, about, parcel, at, places)
        if about["what"] == "object":
            await begin
        else:
            spawn(begin)
    return {"task": about["id"], "home": node.here}


def _require_room(node: Node, about: dict[str, Any], caller: Caller) -> None:
    """Raise an error if the caller, or the node, has too much already, or the name is taken."""
    if about["what"] != "object":
        living = [record.about for record in node.home.records.living()]
        node.caps.require_task(caller.key, (a for a in living if a.get("what") != "object"))
    node.shelves.require(about["size"] if about["what"] == "object" else 0)
    node.forget_old_tasks()
    names.require_free(node, about)


async def _kept(node: Node, about: dict[str, Any], parcel: Parcel) -> tuple[Hosted, Parcel]:
    """It is this node's from now on, and in its journal.  Raises JournalError, and then it is not.

    Returns what it begins with, besides.
    """
    hosted = Hosted(node, about["id"])
    node.tracing.submitted(about)
    node.home.add(about, node.here)
    node.tasks[about["id"]] = hosted
    parcel = admitted(node, about, parcel)
    try:
        await hosted.keep(about, parcel.manifest, parcel.frames)
    except JournalError:
        del node.tasks[about["id"]]
        node.home.drop(about["id"])
        raise
    happened("submitted", about["id"], about["epoch"])
    return hosted, hosted.calls.opened(parcel)


def _record(node: Node, parcel: Parcel, owner: str) -> dict[str, Any]:
    wanted = want(parcel.manifest, "task", dict)
    about = {
        "id": want(wanted, "id", str),
        "name": want(wanted, "name", str),
        "what": want(wanted, "what", str, "task"),
        "class": want(wanted, "class", dict, None),
        "python": want(wanted, "python", dict, parcel.manifest["python"]),
        "argv": want(wanted, "argv", list, None),
        "file": want(wanted, "file", str, ""),
        "directory": want(wanted, "directory", str, ""),
        "files": want(wanted, "files", str, None),
        "stdin": want(wanted, "stdin", bool, False),
        "logging": want(wanted, "logging", list, None),
        "terminal": want(wanted, "terminal", dict, None),
        "home": node.here,
        "owner": owner,
        "epoch": max(1, want(wanted, "epoch", int, 1)),
        "events": 0,
        "hops": 0,
        "size": sum(frame.nbytes for frame in parcel.frames),
    }
    for how in ("part", "bound"):
        if (task := want(wanted, how, dict, None)) is not None:
            about[how] = {"of": want(task, "of", str), "home": want(task, "home", dict)}
    if (needs := want(wanted, "needs", dict, None)) is not None:
        about["needs"] = checked(needs)
    if (settings := want(wanted, "checkpoint", dict, None)) is not None:
        about["checkpoint"] = settings_of(settings)
    if (trace := want(wanted, "trace", dict, None)) is not None:
        about["trace"] = trace_context.checked(trace)
    names.settings_of(wanted, about)
    if about["what"] not in _KINDS:
        raise HetmigError(f"this node does not know what to do with {about['what']!r}")
    return about


async def _begin(
    node: Node,
    hosted: Hosted,
    about: dict[str, Any],
    parcel: Parcel,
    at: str | None,
    places: Sequence[str],
) -> None:
    """Begin here; or lay it on a shelf and hand it over, as nothing of it runs yet."""
    if at is None and about["what"] != "object":
        await node.placing.begin(hosted, parcel, places)
        return
    nbytes = sum(frame.nbytes for frame in parcel.frames)
    shelf: Any = node.shelves.make(parcel.manifest, nbytes)
    await hosted.start(about, parcel.manifest, parcel.frames, shelf)
    if at is None:
        return
    try:
        await node.moves.move(about["id"], at, _PLACE_SECONDS, "placement")
    except AlreadyThere:
        return
    except HetmigError as error:
        if not hosted.is_here:
            return  # it went there after all, or was cancelled meanwhile
        hosted.give_up(protocol.describe_error(error))
        if about["what"] == "object":
            raise
