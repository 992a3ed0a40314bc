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

import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from hetmig import connection
from hetmig.callback_thread import CallbackThread
from hetmig.errors import HetmigError
from hetmig.following import Followed
from hetmig.handing_in import Call, Submission, of_checkpoint, shipped_module
from hetmig.journey import Hop
from hetmig.listings import NodeInfo, TaskInfo, last_moves, node_infos, task_info
from hetmig.living import Living
from hetmig.logs import Forwarded
from hetmig.loop_thread import LoopThread
from hetmig.messages import TaskRef
from hetmig.node import protocol
from hetmig.node.keys import Certificate, Keyring
from hetmig.options import Options, Submits, settings
from hetmig.remote import Actor, ObjectRef, Reference
from hetmig.sending import Messages
from hetmig.state.checkpoint import KEEP, Loaded
from hetmig.state.parcel import Parcel
from hetmig.submitted import RemoteTraceback, Task
from hetmig.terminals import terminal

if TYPE_CHECKING:
    from hetmig.report import Report

__all__ = ["NodeInfo", "Nodes", "RemoteTraceback", "Task", "TaskInfo", "connect"]

T = TypeVar("T")
R = TypeVar("R", bound=Reference)
_UNDO_SECONDS = 5.0
DEFAULT_ENDPOINT = "tcp://127.0.0.1:7717"


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


class Nodes(Submits):
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
        self._callbacks = CallbackThread("hetmig-callbacks")
        self._messages = Messages(self)
        self._living = Living(self)
        self._followed = Followed(self)
        self._connection = self._call(self._connect(keyring, certificate))
        try:
            peer = self._call(self._connection.open(timeout))
            self.name = str(peer["name"])
            self._home = protocol.place_of(peer)
        except BaseException:
            self.close()
            raise

    def _submit(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        more: Mapping[str, Any] | None = None,
    ) -> Task:
        return self._submitted(self._frozen(Call(function, args, kwargs, more)))

    def put(self, obj: object, *, at: str | None = None, timeout: float = 60.0) -> ObjectRef:
        """Leave an object at a node: by name or endpoint, or this one.

        Raises NotMigratable for what cannot travel, and if the node has no room; NodeUnreachable.
        """
        return self._living.put(obj, at, timeout)

    def get(self, ref: ObjectRef, timeout: float = 60.0) -> Any:
        """A copy of an object, wherever it is.

        Raises NoSuchObject, NodeUnreachable, and what `hetmig.loads` raises.
        """
        return self._living.get(ref, timeout)

    def spawn(
        self, cls: type, /, *args: Any, at: str | None = None, ship: bool = False, **kwargs: Any
    ) -> Actor:
        """Make an instance of a class that lives at a node, `at` or this one, as an actor.

        Every node it comes to must have the same source of the class, unless `ship=True` sends it
        along; so it is with the classes of scripts, and those this node cannot import.
        Returns when the instance has been made.  Raises what its constructor raises; SourceChanged
        if the class is another one there; NotMigratable, naming an argument that can't travel.
        """
        return self._living.spawn(cls, args, kwargs, at, ship)

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
        return self._living.find(name)

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
        return self.with_options(needs=needs, files=files).run_script(
            file, argv, source=source, checkpoint=checkpoint, every=every, keep=keep, stdin=stdin
        )

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
        return self._submitted(of_checkpoint(source, series, secrets, self._keyring))

    def tasks(self) -> list[TaskInfo]:
        """The tasks whose home the node is, ended ones too, and those it runs for others."""
        found = self._call(self._connection.request(protocol.TASKS, {}))["tasks"]
        return [task_info(summary) for summary in found]

    def task(self, task: str) -> Task:
        """Take up a task which was submitted to this node, by its id.

        Its output so far comes again, as far as the node has kept it.  Raises TaskLost.
        """
        if (known := self._followed.get(task)) is not None:
            return known
        summary = self._call(self._connection.summary(task))
        taken: Task = Task(self, task, summary["name"])
        self._followed.add(taken, owner=False)
        return taken

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
        self._followed.close()
        self._callbacks.stop()
        self._loop.stop()
        self._callbacks.join()

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

    def _shipped_module(self, function: Callable[..., Any]) -> str | None:
        """The top-level module of a function or class, if the node does not have it."""
        return self._call(shipped_module(self._connection, function))

    def _frozen(self, call: Call) -> Submission:
        module = self._shipped_module(call.shown)
        return call.frozen(module, foreign=self._connection.is_foreign)

    def _becoming(self, handed: Submission) -> Task:
        """The task that this is to become; its record says what we want to hear of it."""
        handed.about.update(self._forwarded.settings())
        return Task(self, handed.about["id"], handed.about["name"])

    def _submitted(self, handed: Submission, stdin: Any = None) -> Task:
        if self.echo:
            handed.about.update(terminal())
        task = self._becoming(handed)
        self._call(self._connection.submit(handed.manifest, handed.frames, handed.at))
        self._followed.add(task, owner=True, stdin=stdin)
        return task

    def _later(self, delivery: Callable[[], None]) -> None:
        self._callbacks.call_later(delivery)
