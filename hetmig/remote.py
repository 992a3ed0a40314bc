"""References to what lives at a node: passive objects, and actors whose methods are called.

    ref = nodes.put(table, at="arm-box")            # ObjectRef: the object lies there, as data
    ref.get(), ref.move("laptop"), ref.delete()

    counter = nodes.spawn(Counter, 10, at="arm-box")    # Actor: an instance lives there
    counter.add(5).result()                             # each method gives a future
    counter.migrate("laptop")

A reference can be pickled, and is as good inside a task as outside.  It names the object's home
node, which knows where the object is.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hetmig.errors import AlreadyThere, NotConnected, NotInTask
from hetmig.hops import Hops
from hetmig.journey import Hop
from hetmig.node import protocol
from hetmig.node.methods import NOTHING, STOP
from hetmig.state.class_source import describe_class
from hetmig.state.image import freeze_call, freeze_for_any, freeze_value
from hetmig.state.shipping import by_value

if TYPE_CHECKING:
    from hetmig.client import Nodes

__all__ = ["Actor", "ObjectRef", "Reference", "bound_to", "put", "spawn"]

_SECONDS = 60.0
_GRACE_SECONDS = 30.0
_thread = threading.local()


@contextlib.contextmanager
def bound_to(nodes: Nodes | None) -> Iterator[None]:
    """References unpickled meanwhile, in this thread, use this connection."""
    before = getattr(_thread, "nodes", None)
    _thread.nodes = nodes
    try:
        yield
    finally:
        _thread.nodes = before


class Reference:
    """What object references and actors have in common: something that lives at a node."""

    def __init__(self, id: str, name: str, home: dict[str, Any], nodes: Nodes | None) -> None:
        self.id = id
        self.name = name
        """The name of its class."""
        self.home = home
        """The place of its home node: name, endpoint, key."""
        self._nodes = nodes

    def __repr__(self) -> str:
        return f"<hetmig.{type(self).__name__} {self.id} {self.name} of {self.home['name']}>"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other)["id"] == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.id, self.name, self.home)

    def where(self) -> str:
        """The name of the node it is at, or was last.  Raises NoSuchObject or NodeUnreachable."""
        return str(self._summary()["node"])

    def journey(self) -> list[Hop]:
        """All its completed moves, in order; the first may be its placement."""
        hops = Hops()
        while not hops.is_complete:
            hops.add(self._ask(protocol.WHERE, {"mark": hops.mark}))
        return [Hop.from_json(hop) for hop in hops.all()]

    def delete(self) -> None:
        """End it, at once.  Raises NoSuchObject or ActorLost if it is no more."""
        self._ask(protocol.DELETE)

    def _summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self._ask(protocol.WHERE)["task"]
        return summary

    def _moved(self, to: str, timeout: float) -> Hop:
        try:
            told = self._ask(protocol.MOVE_OBJECT, {"to": to, "timeout": timeout}, 2 * timeout)
        except AlreadyThere:
            if journey := self.journey():
                return journey[-1]
            raise
        return Hop.from_json(told["hop"])

    def _header(self) -> dict[str, Any]:
        return {"task": self.id, "home": self.home}

    def _ask(
        self, kind: str, more: dict[str, Any] | None = None, seconds: float = 0.0
    ) -> dict[str, Any]:
        header = {**self._header(), **(more or {})}
        inside = _inside()
        if inside is not None:
            told: dict[str, Any] = inside.ask(kind, header, seconds + _GRACE_SECONDS)
            return told
        return self._site()._ask(kind, header, seconds + _GRACE_SECONDS)[0]

    def _site(self) -> Nodes:
        if self._nodes is None:
            raise NotConnected(
                f"{self!r} came without a connection: use nodes.bind(it), or nodes.get(it)"
            )
        return self._nodes


class ObjectRef(Reference):
    """A passive object at a node: data that can be fetched, as a copy, and moved.

    It does not change.  The nodes never unpickle it: what it needs to be put together, modules say,
    is needed where it is fetched.
    """

    def get(self, timeout: float = _SECONDS) -> Any:
        """A copy of the object.

        Raises NoSuchObject, NodeUnreachable, and what `hetmig.loads` raises.
        """
        inside = _inside()
        if inside is not None:
            return inside.fetch(protocol.GET, {**self._header(), "timeout": timeout}, timeout)
        return self._site().get(self, timeout)

    def move(self, to: str, timeout: float = _SECONDS) -> Hop:
        """Move it to the node `to`, by name or endpoint; the move that brought it there.

        Raises MigrationRefused or NodeUnreachable with the reason; it then stays where it was.
        """
        return self._moved(to, timeout)


class Actor(Reference):
    """An object that lives at a node, in a process of its own, and is called through this proxy.

    `actor.method(...)` gives a future at once: a `concurrent.futures.Future`, or inside a task a
    `Reply`, whose `result()` waits.  Calls are executed one at a time, those of one caller in the
    order in which they were made, each once.  A method that has the name of one of the proxy's own
    (`id`, `name`, `home`, `call`, `delete`, `journey`, `migrate`, `stop`, `where`) is reached by
    `actor.call("stop", ...)`.
    """

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("_"):
            raise AttributeError(
                f"{name!r} is not for others: an actor's methods have public names"
            )
        return _Method(self, name)

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method by its name; the future of its result.

        Raises NotMigratable, naming the argument, for what cannot travel.
        """
        inside = _inside()
        if inside is not None:
            return inside.call(self.id, self.home, method, args, kwargs)
        return self._site()._living.call(self, method, args, kwargs)

    def migrate(self, to: str, timeout: float = 10.0) -> Hop:
        """Move it to the node `to`, between two calls; those that wait for it go along.

        Raises NotMigratable, MigrationRefused or NodeUnreachable with the reason; it then goes on
        where it was.
        """
        return self._moved(to, timeout)

    def stop(self) -> Any:
        """Let it end after the calls that were made before; the future of that."""
        return self.call(STOP)


def put(obj: object, *, at: str | None = None, timeout: float = _SECONDS) -> ObjectRef:
    """In a task: leave an object at a node, or at the one the task is on; as `nodes.put`.

    The node the task is on is its home.  Raises NotInTask outside a task.
    """
    inside, about = _required_inside(), _new(type(obj), "object", None)
    frozen = freeze_for_any(functools.partial(freeze_value, obj, name="the object"))
    told = inside.submit(frozen, about, {"at": at} if at else {}, timeout)
    return ObjectRef(about["id"], about["name"], told["home"], None)


def spawn(
    cls: type, /, *args: Any, at: str | None = None, ship: bool = False, **kwargs: Any
) -> Actor:
    """In a task: make an actor at a node, or at the one the task is on; as `nodes.spawn`.

    The node the task is on is its home.  Raises NotInTask outside a task, and ActorLost with what
    its constructor raised.
    """
    return _spawned(cls, args, kwargs, at, ship, None)


def spawn_bound(cls: type, args: tuple[Any, ...], at: str | None) -> Actor:
    """In a task: make an actor that ends with the task."""
    from hetmig.node import runtime

    about = runtime.current().about
    return _spawned(cls, args, {}, at, False, {"of": about["id"], "home": about["home"]})


def _spawned(
    cls: type,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    at: str | None,
    ship: bool,
    bound: dict[str, Any] | None,
) -> Actor:
    inside = _required_inside()
    module = cls.__module__.partition(".")[0]
    with by_value(module if ship and module != "__main__" else None):
        about = _new(cls, "actor", describe_class(cls))
        if bound is not None:
            about["bound"] = bound
        freeze = functools.partial(freeze_call, cls, args, kwargs)
        frozen = freeze() if at is None else freeze_for_any(freeze)
    told = inside.submit(frozen, about, {"at": at} if at else {}, _SECONDS)
    actor = Actor(about["id"], about["name"], told["home"], None)
    actor.call(NOTHING).result(_SECONDS)
    return actor


def _new(cls: type, what: str, described: dict[str, Any] | None) -> dict[str, Any]:
    about = {"id": secrets.token_hex(6), "name": cls.__qualname__, "argv": None, "file": ""}
    return {**about, "what": what, "class": described}


def _required_inside() -> Any:
    inside = _inside()
    if inside is None:
        raise NotInTask("this is not a task: use the connection's nodes.put and nodes.spawn")
    return inside


class _Method:
    """A method of an actor: to be called."""

    def __init__(self, actor: Actor, name: str) -> None:
        self._actor, self._name = actor, name

    def __repr__(self) -> str:
        return f"<{self._name} of {self._actor!r}>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._actor.call(self._name, *args, **kwargs)


def _inside() -> Any:
    """How a task asks its node; None outside a task."""
    runtime: Any = sys.modules.get("hetmig.node.runtime")
    if runtime is None or not runtime.is_task():
        return None
    from hetmig.node import inside

    return inside


def _unpickled(cls: type[Reference], id: str, name: str, home: dict[str, Any]) -> Reference:
    return cls(id, name, home, getattr(_thread, "nodes", None))
