"""Submit functions and scripts to nodes, watch them, move them.

    with hetmig.connect("tcp://127.0.0.1:7717") as nodes:      # Nodes
        task = nodes.submit(job, paths)                        # Task, a concurrent.futures.Future
        hop = task.migrate("arm-box", timeout=10)              # Hop; raises the reason if it fails
        task.result(), task.journey()                          # the value, list[Hop]

Nodes:  submit(fn, *args, **kwargs), run_script(file, argv, source=None), resume(checkpoint),
        tasks(), task(id), cancel(id), nodes(), report(), rehome(task, to), takeover(id),
        drain(node=None),
        forward_logging(logger="", level=None), close();
        attributes name, endpoint.
Task:   id, name, state, result(), exception(), cancel(), done(), add_done_callback(f),
        migrate(to, timeout=10), rehome(to), where(), journey(), report(),
        progress() -> (done, total, note) or None,
        replicate(to, every=5), checkpoint(to=None), last_checkpoint(),
        add_checkpoint_callback(f(checkpoint, reason)),
        add_progress_callback(f(done, total, note)), add_output_callback(f(stream, text)).

What a task writes is echoed to our own stdout and stderr unless `echo=False` or it has an output
callback.  All callbacks are called in one thread of the connection, one after the other; the result
is set after all output was delivered.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import queue
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from hetmig import connection, preparing
from hetmig.errors import HetmigError, TaskLost
from hetmig.feeding import Feeder
from hetmig.journey import Hop
from hetmig.logs import Forwarded
from hetmig.loop_thread import LoopThread
from hetmig.messages import TaskRef
from hetmig.node import protocol
from hetmig.node.checkpoint_keys import finder
from hetmig.node.keys import Certificate, Keyring
from hetmig.node.methods import NOTHING, freeze_method
from hetmig.options import Options, settings
from hetmig.remote import Actor, ObjectRef, Reference, bound_to
from hetmig.sending import Messages
from hetmig.state.checkpoint import KEEP, Loaded, load, resumed
from hetmig.state.class_source import describe_class
from hetmig.state.image import freeze_call, freeze_for_any, freeze_value
from hetmig.state.parcel import Parcel
from hetmig.state.shipping import by_value
from hetmig.submitted import RemoteTraceback, Task, TaskInfo, settle, task_info
from hetmig.terminals import terminal

if TYPE_CHECKING:
    from hetmig.report import Report

__all__ = ["NodeInfo", "Nodes", "RemoteTraceback", "Task", "TaskInfo", "connect"]

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R", bound=Reference)
V = TypeVar("V")
_END_SECONDS = 10.0
_UNDO_SECONDS = 5.0
DEFAULT_ENDPOINT = "tcp://127.0.0.1:7717"


@dataclass(frozen=True)
class NodeInfo:
    """A node that the asked one knows."""

    name: str
    endpoint: str
    reachable: bool
    python: dict[str, Any] | None
    """`implementation`, `version`, `machine`, `system`, `bits`, `byteorder`, if reachable."""
    tasks: int | None
    """Tasks it runs now."""
    draining: bool | None
    runners: int | None = None
    """Its processes for tasks, the warm ones included."""
    memory: int | None = None
    """Bytes of memory it and they use, where the system says that (Linux)."""
    latency_s: float | None = None
    """Seconds until it answered the asked node; 0 for that itself."""
    labels: dict[str, str] | None = None
    resources: dict[str, float] | None = None
    """How much of each it has."""
    used: dict[str, float] | None = None
    """How much of that tasks have there."""
    data: list[str] | None = None
    slots: int | None = None
    """Tasks that run there at full speed."""
    policy: str | None = None
    """By which it moves tasks."""


def connect(
    endpoint: str | Any = DEFAULT_ENDPOINT,
    *,
    keys: str | os.PathLike[str] | Keyring | None = None,
    server_key: bytes | str | None = None,
    timeout: float = 10.0,
    echo: bool = True,
) -> Nodes:
    """Connect to a node, which is the home of what is submitted through this connection.

    `endpoint` is `tcp://HOST:PORT` (or something with such an attribute `endpoint`), `keys` a key
    directory (default: the user's own).  The node's public key is found there by its endpoint,
    unless `server_key` gives it.  Raises NodeUnreachable, or Unauthorized if the node does not
    know our key.
    """
    address = endpoint if isinstance(endpoint, str) else str(endpoint.endpoint)
    keyring = keys if isinstance(keys, Keyring) else Keyring.open(keys)
    return Nodes(address, keyring, server_key, timeout, echo)


def node_infos(told: Any) -> list[NodeInfo]:
    """What a node tells of itself and of those it knows."""
    names = NodeInfo.__dataclass_fields__
    return [NodeInfo(**{name: node.get(name) for name in names}) for node in told]


def last_moves(summaries: Sequence[Mapping[str, Any]], last: int | None) -> list[Hop]:
    """The moves, or the last ones, oldest first, of the tasks with these summaries."""
    hops = [Hop.from_json(hop) for summary in summaries for hop in summary["hops"]]
    hops.sort(key=lambda hop: hop.start_time)
    return hops if last is None else hops[max(len(hops) - last, 0) :]


class Nodes:
    """A connection to a node, and through it to all nodes it knows.  A context manager."""

    def __init__(
        self,
        endpoint: str,
        keyring: Keyring,
        server_key: bytes | str | None = None,
        timeout: float = 10.0,
        echo: bool = True,
    ) -> None:
        certificate = connection.find_node(endpoint, keyring, server_key)
        self.endpoint = endpoint
        self.echo = echo
        self._keyring = keyring
        self._loop = LoopThread("hetmig-client")
        self._closed = False
        self._forwarded = Forwarded()
        self._tasks: dict[str, Task] = {}
        self._deliveries: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._callbacks = threading.Thread(
            target=self._deliver, name="hetmig-callbacks", daemon=True
        )
        self._callbacks.start()
        self._messages = Messages(self)
        self._connection = self._call(self._connect(keyring, certificate))
        try:
            peer = self._call(self._connection.open(timeout))
            self.name = str(peer["name"])
            self._home = protocol.place_of(peer)
        except BaseException:
            self.close()
            raise

    @overload
    def submit(
        self,
        function: Callable[P, Coroutine[Any, Any, V]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Task[V]: ...
    @overload
    def submit(self, function: Callable[P, V], /, *args: P.args, **kwargs: P.kwargs) -> Task[V]: ...
    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        """Run `function(*args, **kwargs)` on the node.

        Functions the node can import travel by reference, all others by value with the globals
        they use.  Raises NotMigratable, naming the argument, for what cannot travel; NeedsNotMet
        if no node has what `@hetmig.migratable(needs=...)` says.  `with_options` has what can be
        said of the task besides.
        """
        return self._submit(function, args, kwargs, {})

    def _submit(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        more: dict[str, Any],
    ) -> Task:
        call = preparing.Call(function, args, kwargs, more)
        module = self._call(preparing.shipped_module(self._connection, function))
        frozen = call.frozen(module, foreign=self._connection.is_foreign)
        return self._submitted(*frozen, call.at)

    def put(self, obj: object, *, at: str | None = None, timeout: float = 60.0) -> ObjectRef:
        """Leave an object at a node: by name or endpoint, or this one.

        Raises NotMigratable for what cannot travel, and if the node has no room; NodeUnreachable.
        """
        freeze = functools.partial(freeze_value, obj, name="the object")
        frozen = freeze_for_any(freeze)  # it may be fetched and moved anywhere
        about = preparing.describe_call(type(obj))
        manifest = frozen.manifest({**about, "what": "object"})
        told = self._call(self._connection.submit(manifest, frozen.frames, at, timeout))
        return ObjectRef(about["id"], about["name"], told["home"], self)

    def get(self, ref: ObjectRef, timeout: float = 60.0) -> Any:
        """A copy of an object, wherever it is.

        Raises NoSuchObject, NodeUnreachable, and what `hetmig.loads` raises.
        """
        end = self._call(self._connection.get(ref.id, ref.home, timeout))
        with bound_to(self):
            return end.value()

    def spawn(
        self, cls: type, /, *args: Any, at: str | None = None, ship: bool = False, **kwargs: Any
    ) -> Actor:
        """Make an instance of a class that lives at a node, `at` or this one, as an actor.

        Every node it comes to must have the same source of the class, unless `ship=True` sends it
        along; so it is with the classes of scripts, and those this node cannot import.
        Returns when the instance has been made.  Raises what its constructor raises; SourceChanged
        if the class is another one there; NotMigratable, naming an argument that can't travel.
        """
        if not isinstance(cls, type):
            raise TypeError(f"spawn makes an instance of a class, not of {cls!r}")
        module = preparing.home_module(cls)
        known = module is None or not self._call(self._connection.missing(module))
        with by_value(None if known and not ship else module):
            freeze = functools.partial(freeze_call, cls, args, kwargs)
            frozen = preparing.frozen_for(at, freeze, self._connection.is_foreign)
            described = describe_class(cls)
        about = {**preparing.describe_call(cls), "what": "actor", "class": described}
        task = self._submitted(frozen.manifest(about), frozen.frames, at)
        actor = Actor(task.id, task.name, self._home, self)
        self._require_begun(task, actor.call(NOTHING))
        return actor

    def _require_begun(self, task: Task, started: Future[Any]) -> None:
        """Wait until an actor's constructor has ended; raise what it raised."""
        wait([task, started], return_when=FIRST_COMPLETED)
        if isinstance(started.exception(_END_SECONDS) if started.done() else None, TaskLost):
            wait([task], _END_SECONDS)
        if task.done():
            task.result()
        started.result(_END_SECONDS)

    def bind(self, reference: R) -> R:
        """The same reference, to be used through this connection."""
        return type(reference)(reference.id, reference.name, reference.home, self)

    def delete(self, reference: Reference) -> None:
        """End an object or an actor, at once."""
        self.bind(reference).delete()

    def with_options(
        self,
        *,
        name: str | None = None,
        location: str | None = None,
        needs: Mapping[str, Any] | None = None,
        files: str | None = None,
        at: str | None = None,
    ) -> Options:
        """Options for the next submission: `nodes.with_options(name="collector").submit(f)`.

        `name` is the task's alone among the living tasks of its home node, and finds it:
        `nodes.find(name)`.  `location` is how nodes look for it once it has moved: "home", "chain"
        or "search" (default: as each node was told).  `needs` and `files` are as for `migratable`,
        whose mark they overrule.  `at` is the node, by name or endpoint, where the call begins.
        """
        return Options(
            self, settings(name=name, location=location, needs=needs, files=files, at=at)
        )

    def find(self, name: str) -> Task | TaskRef | ObjectRef | Actor:
        """The living task of this name or id, on any node that is known here.

        A Task if this node is its home, else a TaskRef, which has everything but its result.  Or
        the object or actor of this id, whose home this node is.  Raises NoSuchTask, NoSuchObject.
        """
        return self._messages.find(name)

    def run_script(
        self,
        file: str | os.PathLike[str],
        argv: Sequence[str] = (),
        *,
        source: str | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        every: float = 30.0,
        keep: int = KEEP,
        needs: Mapping[str, Any] | None = None,
        stdin: Any = None,
        files: str | None = None,
    ) -> Task:
        """Run a script as `__main__` on the node; its module-level frame can move, too.

        `stdin`, a file, is what it reads as its standard input: from here, wherever it is, and only
        when it asks.  `files` is the policy of the files it opens (`hetmig.files`).

        The text is read from `file` unless `source` gives it.  With `checkpoint`, a directory or
        URL, a copy of the task is kept there every so many seconds.  `needs` are as for
        `migratable`.  Raises OSError, and NeedsNotMet.
        """
        return self._run_script(
            file,
            argv,
            settings(needs=needs, files=files),
            source=source,
            checkpoint=checkpoint,
            every=every,
            keep=keep,
            stdin=stdin,
        )

    def _run_script(
        self,
        file: str | os.PathLike[str],
        argv: Sequence[str],
        more: dict[str, Any],
        *,
        stdin: Any = None,
        **kept: Any,
    ) -> Task:
        asked, more = stdin is not None, dict(more)
        at = more.pop("at", None)
        prepared = preparing.prepared_script(file, argv, more, stdin=asked, **kept)
        return self._submitted(*prepared, at, stdin=stdin)

    def resume(
        self,
        source: str | os.PathLike[str] | Loaded,
        *,
        series: str | None = None,
        secrets: Sequence[str | os.PathLike[str]] = (),
    ) -> Task:
        """Start a task again from a checkpoint: a file, or the newest good one of a directory.

        Either may be a URL.  `series` says which task is meant if the directory has several,
        `secrets` are files with the secrets of other nodes.
        Raises NoCheckpoint; a ParcelError before anything is unpickled if it is damaged or forged;
        the task ends with MigrationRefused if it can't be put back at the node.
        """
        if not isinstance(source, Loaded):
            source = load(source, finder(self._keyring.directory, secrets), series)
        manifest, frames = resumed(source)
        return self._submitted(manifest, frames)

    def tasks(self) -> list[TaskInfo]:
        """The tasks whose home the node is, ended ones too, and those it runs for others."""
        found = self._call(self._connection.request(protocol.TASKS, {}))["tasks"]
        return [task_info(summary) for summary in found]

    def task(self, task: str) -> Task:
        """Take up a task which was submitted to this node, by its id.

        Its output so far comes again, as far as the node has kept it.  Raises TaskLost.
        """
        if task not in self._tasks:
            summary = self._call(self._connection.summary(task))
            self._follow(Task(self, task, summary["name"]), owner=False)
        return self._tasks[task]

    def forward_logging(self, logger: str = "", level: int | str | None = None) -> None:
        """Let what tasks submitted from now on log arrive here, as records of `logging`.

        `logger` and those below it, from `level` on, by default the one that logger has here.
        """
        self._forwarded.add(logger, level)

    def nodes(self) -> list[NodeInfo]:
        """The node itself and all others that it knows."""
        found = self._call(self._connection.request(protocol.NODES, {}))["nodes"]
        return node_infos(found)

    def moves(self, last: int | None = None) -> list[Hop]:
        """The moves, or the last ones, oldest first, of all tasks whose home the node is."""
        found = self._call(self._connection.request(protocol.TASKS, {}))["tasks"]
        return last_moves(found, last)

    def report(self, *tasks: str) -> Report:
        """What became of these tasks, by their ids, or of all whose home the node is.

        `report.save("report.html")` is a page to show somebody.  Raises TaskLost.
        """
        from hetmig.report import report_of

        return report_of(self, tasks)

    def move(self, task: str | Reference, to: str, timeout: float = 10.0) -> Hop:
        """Move a task by its id, as `Task.migrate` does, or an object or actor."""
        if isinstance(task, Reference):
            return self.bind(task)._moved(to, timeout)
        return Hop.from_json(self._call(self._connection.move(task, to, timeout)))

    def rehome(self, task: str | Reference, to: str, timeout: float = 10.0) -> bool:
        """Let the node `to` be the home of a task, an object or an actor, wherever that is.

        Its record moves: where it is, what it wrote, its result, its checkpoints.  This connection
        follows.  True if the node that has the task has confirmed it: then the old home may be
        killed for good.  Raises MigrationRefused or NodeUnreachable with the reason; the home is
        then where it was.
        """
        id = task.id if isinstance(task, Reference) else task
        return bool(self._call(self._connection.rehome(id, to, timeout))["told"])

    def takeover(self, task: str) -> Task:
        """Let this node's replica of a task go on with it, and this node be its home.

        For a home that was lost together with the task's node: nobody else can decide then that the
        replica takes over.  Raises MigrationRefused if the one or the other answers; TaskLost.
        """
        header = {"task": task}
        self._call(self._connection.request(protocol.TAKE_OVER, header))
        return self.task(task)

    def cancel(self, task: str) -> None:
        """End a task by its id, wherever it is."""
        self._call(self._connection.cancel(task))

    def drain(
        self, node: str | None = None, timeout: float = 30.0, *, shutdown: bool = False
    ) -> list[dict[str, Any]]:
        """Let a node (by name or endpoint; default: this one) take no more tasks and move its own.

        What can't move in time is checkpointed and stopped, or stays; with `shutdown` the node ends
        afterwards, and keeps in its journal, if it has one, what could not move.
        Who waits for a task that has left is led to its new home.  One dictionary for each task:
        `task`, `name`, `what`, `fate` ("moved", "ended", "rehomed", "kept", "checkpointed",
        "stays", "lost", "homeless"), `to` (None if it did not move), `checkpoint` (the file or URL,
        or None), `reason`; and `home`, if that is another node now.
        """
        return self._call(self._connection.drain(node, timeout, shutdown=shutdown))

    def undrain(self, node: str | None = None) -> None:
        """Let a drained node take tasks again."""
        self._call(self._connection.drain(node, _UNDO_SECONDS, undo=True))

    def authorize(self, public: bytes | str, name: str, rights: str, endpoint: str = "") -> str:
        """Give a public key rights ("submit,observe") at this node; its name.  Raises Unauthorized.

        For this and the next two our own key needs the right `admin` there.
        """
        key = public if isinstance(public, str) else public.decode()
        header = {"public": key, "name": name, "rights": rights, "endpoint": endpoint}
        return self._administer(protocol.AUTHORIZE, header)

    def revoke(self, name: str) -> str:
        """Withdraw what a key was given under this name at this node; the node's name."""
        return self._administer(protocol.REVOKE, {"name": name})

    def shutdown(self) -> str:
        """End this node, as SIGTERM does; its name."""
        return self._administer(protocol.SHUTDOWN, {})

    def _administer(self, kind: str, header: dict[str, Any]) -> str:
        return str(self._call(self._connection.request(kind, header))["node"])

    def close(self) -> None:
        """Close the connection.  Tasks go on; those still awaited here end with HetmigError."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(HetmigError):
            self._call(self._connection.close())
        for task in self._tasks.values():
            reason = f"the connection was closed; task {task.id} goes on without us"
            self._later(lambda task=task, reason=reason: task._end(connection.End(False, error=HetmigError(reason))))  # type: ignore[misc]  # fmt: skip  # noqa: E501
        self._deliveries.put(None)
        self._loop.stop()
        if self._callbacks is not threading.current_thread():
            self._callbacks.join(10)

    def __enter__(self) -> Nodes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @staticmethod
    async def _connect(keyring: Keyring, certificate: Certificate) -> connection.Connection:
        return connection.Connection(keyring, certificate)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the connection's loop and wait for its result."""
        return self._loop.hand_in(work).result()

    def _ask(
        self, kind: str, header: dict[str, Any], timeout: float
    ) -> tuple[dict[str, Any], Parcel | None]:
        return self._call(self._connection.ask(kind, header, None, timeout))

    def _call_actor(
        self, actor: Actor, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        frozen = freeze_method(method, args, kwargs)
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # what was sent is executed

        def ended(call: asyncio.Future[connection.End]) -> None:
            error = call.exception()
            if error is not None:
                self._later(lambda: future.set_exception(error))
            else:
                what = f"the result of {actor.name}.{method}"
                self._later(lambda: settle(future, call.result(), what, self))

        def begin() -> None:
            try:
                call = self._connection.call(actor.id, actor.home, method, frozen)
            except HetmigError as error:
                future.set_exception(error)
            else:
                call.add_done_callback(ended)

        if self._closed:
            raise HetmigError("this connection is closed")
        self._loop.call_soon(begin)
        return future

    def _submitted(
        self,
        manifest: dict[str, Any],
        frames: Sequence[protocol.Buffer],
        at: str | None = None,
        stdin: Any = None,
    ) -> Task:
        about = manifest["task"]
        about.update(self._forwarded.settings(), **(terminal() if self.echo else {}))
        task = Task(self, about["id"], about["name"])
        self._call(self._connection.submit(manifest, frames, at))
        self._follow(task, owner=True, stdin=stdin)
        return task

    def _follow(self, task: Task, *, owner: bool, stdin: Any = None) -> None:
        feeder = None if stdin is None else Feeder(stdin, functools.partial(self._tell, task.id))
        self._tasks[task.id] = task
        follower = connection.Follower(
            output=lambda stream, data: self._later(lambda: task._heard.output(stream, data)),
            changed=lambda summary: self._later(lambda: task._heard.changed(summary)),
            ended=lambda end: self._later(lambda: task._end(end)),
            delivered=self._delivered,
            wanted=None if feeder is None else feeder.wanted,
        )
        self._loop.call_soon(lambda: self._connection.follow(task.id, follower, owner=owner))

    def _tell(self, task: str, number: int, piece: bytes) -> None:
        self._call(self._connection.tell(task, number, piece))

    def _later(self, delivery: Callable[[], None]) -> None:
        self._deliveries.put(delivery)

    async def _delivered(self) -> None:
        """Wait until all that was to be delivered so far has been."""
        done = asyncio.Event()

        def delivered() -> None:
            with contextlib.suppress(RuntimeError):  # the connection was closed meanwhile
                self._loop.call_soon(done.set)

        self._later(delivered)
        await done.wait()

    def _deliver(self) -> None:
        while (delivery := self._deliveries.get()) is not None:
            try:
                delivery()
            except Exception:
                sys.excepthook(*sys.exc_info())  # a callback failed; the others still count
            del delivery  # it holds a task, and its result
