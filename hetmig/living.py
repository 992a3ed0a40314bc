"""What lives at nodes, through a connection of a program with threads: objects and actors, by id.

They are put or made there, fetched, called and found; `hetmig.remote` has the references to them.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, NoSuchObject, NoSuchTask, TaskLost
from hetmig.handing_in import Submission, describe_call, frozen_for, home_module
from hetmig.messages import TaskRef
from hetmig.node import protocol
from hetmig.node.methods import NOTHING, freeze_method
from hetmig.remote import Actor, ObjectRef, bound_to
from hetmig.state.class_source import describe_class
from hetmig.state.image import freeze_call, freeze_for_any, freeze_value
from hetmig.state.shipping import by_value
from hetmig.submitted import Task, settle

if TYPE_CHECKING:
    from hetmig.client import Nodes
    from hetmig.connection import End

__all__ = ["Living"]

_END_SECONDS = 10.0
_FIND_SECONDS = 20.0


class Living:
    """Objects and actors of one connection; `Nodes` says what is raised."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def put(self, obj: object, at: str | None, timeout: float) -> ObjectRef:
        """Leave an object at a node."""
        freeze = functools.partial(freeze_value, obj, name="the object")
        frozen = freeze_for_any(freeze)  # it may be fetched and moved anywhere
        about = describe_call(type(obj))
        manifest = frozen.manifest({**about, "what": "object"})
        nodes = self._nodes
        told = nodes._call(nodes._connection.submit(manifest, frozen.frames, at, timeout))
        return ObjectRef(about["id"], about["name"], told["home"], nodes)

    def get(self, ref: ObjectRef, timeout: float) -> Any:
        """A copy of an object."""
        nodes = self._nodes
        end = nodes._call(nodes._connection.get(ref.id, ref.home, timeout))
        with bound_to(nodes):
            return end.value()

    def spawn(
        self,
        cls: type,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        at: str | None,
        ship: bool,
    ) -> Actor:
        """Make an actor; returns when its constructor has ended."""
        if not isinstance(cls, type):
            raise TypeError(f"spawn makes an instance of a class, not of {cls!r}")
        nodes = self._nodes
        with by_value(home_module(cls) if ship else nodes._shipped_module(cls)):
            freeze = functools.partial(freeze_call, cls, tuple(args), dict(kwargs))
            frozen = frozen_for(at, freeze, nodes._connection.is_foreign)
            described = describe_class(cls)
        about = {**describe_call(cls), "what": "actor", "class": described}
        task = nodes._submitted(Submission(frozen.manifest(about), frozen.frames, at))
        actor = Actor(task.id, task.name, nodes._home, nodes)
        _require_begun(task, actor.call(NOTHING))
        return actor

    def call(
        self, actor: Actor, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        """Call a method of an actor; the future of its result."""
        nodes = self._nodes
        frozen = freeze_method(method, args, kwargs)
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # what was sent is executed

        def ended(call: asyncio.Future[End]) -> None:
            error = call.exception()
            if error is not None:
                nodes._later(lambda: future.set_exception(error))
            else:
                what = f"the result of {actor.name}.{method}"
                nodes._later(lambda: settle(future, call.result(), what, nodes))

        def begin() -> None:
            try:
                call = nodes._connection.call(actor.id, actor.home, method, frozen)
            except HetmigError as error:
                future.set_exception(error)
            else:
                call.add_done_callback(ended)

        if nodes._closed:
            raise HetmigError("this connection is closed")
        nodes._loop.call_soon(begin)
        return future

    def find(self, name: str) -> Task | TaskRef | ObjectRef | Actor:
        """The living task of this name or id, or the object or actor of this id."""
        nodes = self._nodes
        try:
            found = nodes._call(nodes._connection.request(protocol.FIND, {"name": name}))
        except NoSuchTask as unknown:
            return self._find_other(name, unknown)
        if found["home"] == nodes._home:
            return nodes.task(found["task"])
        return TaskRef(found["task"], found["name"], found["home"], nodes)

    def _find_other(self, id: str, unknown: NoSuchTask) -> ObjectRef | Actor:
        nodes = self._nodes
        try:
            header = {"task": id, "home": nodes._home}
            summary = nodes._ask(protocol.WHERE, header, _FIND_SECONDS)[0]["task"]
        except NoSuchObject:
            raise NoSuchTask(
                f"{unknown}, and there is no object or actor of that id", name=id
            ) from None
        if summary["what"] == "task":
            raise unknown
        kind = Actor if summary["what"] == "actor" else ObjectRef
        return kind(id, summary["name"], nodes._home, nodes)


def _require_begun(task: Task, started: Future[Any]) -> None:
    """Wait until an actor's constructor has ended; raise what it raised."""
    wait([task, started], return_when=FIRST_COMPLETED)
    if isinstance(started.exception(_END_SECONDS) if started.done() else None, TaskLost):
        wait([task], _END_SECONDS)
    if task.done():
        task.result()
    started.result(_END_SECONDS)
