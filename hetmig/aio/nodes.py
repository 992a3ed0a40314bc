"""Submit functions and scripts to nodes from a program that runs under asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hetmig.aio.options import Options, Submits
from hetmig.aio.references import TaskRef
from hetmig.aio.task import Task
from hetmig.client import DEFAULT_ENDPOINT
from hetmig.connection import Connection, find_node
from hetmig.errors import HetmigError, NotConnected
from hetmig.handing_in import Call, Submission, home_module, of_checkpoint, of_script
from hetmig.journey import Hop
from hetmig.listings import NodeInfo, TaskInfo, last_moves, node_infos, task_info
from hetmig.node import protocol
from hetmig.node.keys import Keyring
from hetmig.options import settings
from hetmig.state.checkpoint import Loaded

if TYPE_CHECKING:
    from hetmig.report import Report

__all__ = ["Nodes", "Options", "connect"]

_UNDO_SECONDS = 5.0


def connect(
    endpoint: str | Any = DEFAULT_ENDPOINT,
    *,
    keys: str | os.PathLike[str] | Keyring | None = None,
    server_key: bytes | str | None = None,
    timeout: float = 10.0,
    echo: bool = True,
) -> Nodes:
    """Connect to a node, which is the home of what is submitted through this connection.

    `async with connect(...) as nodes`, or `nodes = await connect(...)` and `await nodes.close()`.
    The arguments are those of `hetmig.connect`.  Raises NodeUnreachable or Unauthorized.
    """
    address = endpoint if isinstance(endpoint, str) else str(endpoint.endpoint)
    keyring = keys if isinstance(keys, Keyring) else Keyring.open(keys)
    return Nodes(address, keyring, server_key, timeout, echo)


class Nodes(Submits):
    """A connection to a node, and through it to all nodes it knows.

    To be used within one event loop.  On Windows that must be a `SelectorEventLoop`.
    """

    def __init__(
        self,
        endpoint: str,
        keyring: Keyring,
        server_key: bytes | str | None = None,
        timeout: float = 10.0,
        echo: bool = True,
    ) -> None:
        self.endpoint = endpoint
        self.echo = echo
        self.name = ""
        """Of the node, once the connection is open."""
        self._keyring = keyring
        self._certificate = find_node(endpoint, keyring, server_key)
        self._timeout = timeout
        self._link: Connection | None = None
        self._home: dict[str, Any] = {}
        self._closed = False
        self._tasks: dict[str, Task] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Nodes:
        return await self._open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __await__(self) -> Generator[Any, None, Nodes]:
        return self._open().__await__()

    async def _open(self) -> Nodes:
        if self._closed or self._link is not None:
            raise HetmigError("a connection is opened once: call hetmig.aio.connect again")
        self._link = Connection(self._keyring, self._certificate)
        try:
            peer = await self._link.open(self._timeout)
        except BaseException:
            await self.close()
            raise
        self.name = str(peer["name"])
        self._home = protocol.place_of(peer)
        return self

    async def close(self) -> None:
        """Close the connection, when all that was submitted or cancelled has been told the node.

        Tasks go on; those still awaited here end with HetmigError.
        """
        if self._closed or self._link is None:
            self._closed = True
            return
        try:
            await asyncio.gather(*self._background, return_exceptions=True)
        finally:
            self._closed = True
            await self._link.close()
            for task in list(self._tasks.values()):
                reason = f"the connection was closed; task {task.id} goes on without us"
                task._failed(HetmigError(reason))
                if not task.cancelled():
                    task.exception()  # nobody need look at it

    def with_options(
        self,
        *,
        name: str | None = None,
        location: str | None = None,
        needs: Mapping[str, Any] | None = None,
        files: str | None = None,
        at: str | None = None,
    ) -> Options:
        """Options for the next submission; see `hetmig.Nodes.with_options`."""
        return Options(
            self, settings(name=name, location=location, needs=needs, files=files, at=at)
        )

    def run_script(
        self,
        file: str | os.PathLike[str],
        argv: Sequence[str] = (),
        *,
        source: str | None = None,
        needs: Mapping[str, Any] | None = None,
        files: str | None = None,
        **checkpoints: Any,
    ) -> Task[None]:
        """Run a script as `__main__` on the node; see `hetmig.Nodes.run_script`.

        It has no standard input: to read that takes a thread.  Raises OSError.
        """
        more = settings(needs=needs, files=files)
        return self._started(of_script(file, argv, more, source=source, **checkpoints))

    def resume(
        self,
        source: str | os.PathLike[str] | Loaded,
        *,
        series: str | None = None,
        secrets: Sequence[str | os.PathLike[str]] = (),
    ) -> Task:
        """Start a task again from a checkpoint; see `hetmig.Nodes.resume`.

        The checkpoint is read while the event loop waits.
        """
        return self._started(of_checkpoint(source, series, secrets, self._keyring))

    async def tasks(self) -> list[TaskInfo]:
        """The tasks whose home the node is, ended ones too, and those it runs for others."""
        found = (await self._connection.request(protocol.TASKS, {}))["tasks"]
        return [task_info(summary) for summary in found]

    async def task(self, task: str) -> Task:
        """Take up a task which was submitted to this node, by its id.  Raises TaskLost.

        Its output so far comes again, as far as the node has kept it.
        """
        if task not in self._tasks:
            summary = await self._connection.summary(task)
            taken = self._tasks[task] = Task(self, task, summary["name"])
            self._connection.follow(task, taken._follower(), owner=False)
        return self._tasks[task]

    async def find(self, name: str) -> Task | TaskRef:
        """The living task of this name or id, on any node that is known here.

        A Task if this node is its home, else a TaskRef.  Raises NoSuchTask.
        """
        found = await self._connection.request(protocol.FIND, {"name": name})
        if found["home"] == self._home:
            return await self.task(found["task"])
        return TaskRef(self, found["task"], found["name"], found["home"])

    async def nodes(self) -> list[NodeInfo]:
        """The node itself and all others that it knows."""
        found = (await self._connection.request(protocol.NODES, {}))["nodes"]
        return node_infos(found)

    async def moves(self, last: int | None = None) -> list[Hop]:
        """The moves, or the last ones, oldest first, of all tasks whose home the node is."""
        found = (await self._connection.request(protocol.TASKS, {}))["tasks"]
        return last_moves(found, last)

    async def report(self, *tasks: str) -> Report:
        """What became of these tasks, by their ids, or of all whose home the node is, as a page.

        Raises TaskLost.
        """
        from hetmig.report import report_from

        found = (await self._connection.request(protocol.TASKS, {}))["tasks"]
        return report_from(self.name, found, await self.nodes(), tasks)

    async def move(self, task: str, to: str, timeout: float = 10.0) -> Hop:
        """Move a task by its id, as `Task.move` does."""
        return Hop.from_json(await self._connection.move(task, to, timeout))

    async def cancel(self, task: str) -> None:
        """End a task by its id, wherever it is."""
        await self._connection.cancel(task)

    async def rehome(self, task: str, to: str, timeout: float = 10.0) -> bool:
        """Let the node `to` be the home of a task; see `hetmig.Nodes.rehome`."""
        return bool((await self._connection.rehome(task, to, timeout))["told"])

    async def drain(
        self, node: str | None = None, timeout: float = 30.0, *, shutdown: bool = False
    ) -> list[dict[str, Any]]:
        """Let a node take no more tasks and move its own; see `hetmig.Nodes.drain`."""
        return await self._connection.drain(node, timeout, shutdown=shutdown)

    async def undrain(self, node: str | None = None) -> None:
        """Let a drained node take tasks again."""
        await self._connection.drain(node, _UNDO_SECONDS, undo=True)

    @property
    def _connection(self) -> Connection:
        if self._link is None:
            raise NotConnected("not open yet: use `async with hetmig.aio.connect(...) as nodes`")
        if self._closed:
            raise HetmigError("this connection is closed")
        return self._link

    def _submit(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        more: Mapping[str, Any] | None = None,
    ) -> Task:
        call, connection = Call(function, args, kwargs, more), self._connection
        module = home_module(function)
        known = module is None or connection.importable.get(module)
        ways = {None} if known else {module} if known is False else {None, module}
        # The arguments are frozen as they are now, before anybody asks the node for the module.
        frozen = {way: _frozen(call, way, connection.is_foreign) for way in ways}

        async def prepared() -> Submission:
            missing = module is not None and await connection.missing(module)
            chosen = frozen[module if missing else None]
            if isinstance(chosen, Exception):
                raise chosen
            return chosen

        return self._begun(call.about, prepared())

    def _started(self, handed: Submission) -> Task:
        async def prepared() -> Submission:
            return handed

        return self._begun(handed.about, prepared())

    def _begun(self, about: Mapping[str, Any], prepared: Coroutine[Any, Any, Submission]) -> Task:
        task: Task = Task(self, about["id"], about["name"])
        self._tasks[task.id] = task
        task._beginning = self._spawn(self._begin(task, prepared))
        return task

    async def _begin(self, task: Task, prepared: Coroutine[Any, Any, Submission]) -> None:
        try:
            handed = await prepared
            await self._connection.submit(handed.manifest, handed.frames, handed.at)
            self._connection.follow(task.id, task._follower(), owner=True)
        except BaseException as error:
            task._failed(error)
            raise

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # the task that was to be submitted has it

    def _forget(self, task: Task) -> None:
        """It has ended; it can be taken up again by its id."""
        self._tasks.pop(task.id, None)


def _frozen(call: Call, module: str | None, foreign: bool) -> Submission | Exception:
    try:
        return call.frozen(module, foreign=foreign)
    except Exception as error:
        return error
