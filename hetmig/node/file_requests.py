"""What tasks ask of files which are open at some node: carried out here, or by that node.

The node never waits for a disk itself: threads of its own do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from hetmig.errors import (
    FileUnreachable,
    HetmigError,
    NodeUnreachable,
    NoSuchObject,
    ProtocolError,
)
from hetmig.node import protocol, remote
from hetmig.node.caller import Caller, owner_of
from hetmig.node.held_files import LOCAL, HeldFiles, Who
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message, want
from hetmig.redirection.os_errors import described

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Files", "handle"]

_THREADS = 8
_HELLO_SECONDS = 5.0
_ANSWER_SECONDS = 6.0
"""After which a question is sent once more: each may be asked twice."""
_INSISTENCE = 25.0
"""Seconds for which a node, or its disk, that does not answer is asked again.  One that did not is
asked only once for as long as that."""
_PAUSE = 0.05
_LOOK_SECONDS = 5.0
"""How often it is looked whether tasks that have left files here still live."""

Told = tuple[dict[str, Any], Sequence[Buffer]]


class Files:
    """The files of tasks, from this node's side."""

    def __init__(self, node: Node) -> None:
        self.held = HeldFiles()
        self._node = node
        self._threads = ThreadPoolExecutor(_THREADS, "hetmig-files")
        self._granted: dict[bytes, tuple[Who, bytes]] = {}
        """By the key of a process elsewhere, its task, and the node that vouches for it."""
        self._silent: dict[str, float] = {}
        """Until when (monotonic) a node is asked only once, by its endpoint."""
        self._looking = asyncio.create_task(self._look())

    def close(self) -> None:
        """Close all of them."""
        self._looking.cancel()
        self.held.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def asked(self, runner: Runner, message: Message) -> None:
        """A task that runs here, or is being put together, asks."""
        number = want(message.header, "number", int)
        answer: dict[str, Any] = {}
        payload: Sequence[Buffer] = ()
        try:
            answer, payload = await self._asked(runner, message)
        except OSError as error:
            if isinstance(error, HetmigError):
                answer = {"error": protocol.describe_error(error)}
            else:
                answer = {"os_error": described(error)}
        except Exception as error:  # whatever it is, the task waits for an answer
            answer = {"error": protocol.describe_error(error)}
        runner.send(protocol.FILED, {"re": number, "told": answer}, payload)

    async def _asked(self, runner: Runner, message: Message) -> Told:
        header, about = want(message.header, "header", dict), runner.about
        place = want(header, "at_node", dict)
        owner = owner_of(about) or ""
        runs = want(message.header, "runs", bool)
        if place == self._node.here:
            who = Who(about["id"], owner, about["epoch"], runner.pid, runs)
            return await self._do(who, header, message.payload)
        if want(header, "op", str) in LOCAL:
            raise ProtocolError("a file is kept by the node that it is at")
        header = {name: value for name, value in header.items() if name != "at_node"}
        header |= {"task": about["id"], "as": owner, "epoch": about["epoch"], "runs": runs}
        return await self._elsewhere(place, header, message.payload)

    async def _do(self, who: Who, header: dict[str, Any], payload: Sequence[Buffer]) -> Told:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.held.do, who, header, payload)

    async def _elsewhere(
        self, place: dict[str, Any], header: dict[str, Any], payload: Sequence[Buffer]
    ) -> Told:
        now, endpoint = time.monotonic(), str(place.get("endpoint"))
        is_silent = now < self._silent.get(endpoint, now)
        until = now if is_silent else now + _INSISTENCE
        directory = self._node.directory
        while True:
            try:
                link = await directory.acquaint(place, self._node.about(), _HELLO_SECONDS)
                answer = await link.request(protocol.FILE, header, payload, timeout=_ANSWER_SECONDS)
            except NodeUnreachable as error:
                now = time.monotonic()
                if now > until or not header["runs"]:
                    self._silent[endpoint] = now + _INSISTENCE
                    raise FileUnreachable(
                        f"the node {place.get('name')}, which has the file open, does not answer: "
                        f"{error}"
                    ) from error
            else:
                self._silent.pop(endpoint, None)
                return want(answer.header, "told", dict), answer.payload
            await asyncio.sleep(_PAUSE)

    def granted(self, key: bytes) -> Who | None:
        """Of which task a process elsewhere is, that may use its files here; None for others."""
        who, voucher = self._granted.get(key, (None, b""))
        return who if self._node.keyring.is_node(voucher) else None

    async def answer(self, who: Who, message: Message, number: int) -> None:
        """The process of a task elsewhere asks, on a link of its own."""
        header: dict[str, Any] = {"re": number}
        payload: Sequence[Buffer] = ()
        try:
            if want(message.header, "op", str) in LOCAL:
                raise ProtocolError("only the node itself may ask for that")
            told, payload = await self._do(who, message.header, message.payload)
            header["told"] = told
        except OSError as error:
            if isinstance(error, HetmigError):
                header["told"] = {"error": protocol.describe_error(error)}
            else:
                header["told"] = {"os_error": described(error)}
        except Exception as error:  # whatever it is, the task waits for an answer
            header["told"] = {"error": protocol.describe_error(error)}
        self._node.reception.send(message.route, protocol.REPLY, header, payload)

    async def _grant(self, who: Who, message: Message) -> Told:
        """Let a process of that task come straight here; those before it may not any more."""
        await self._do(who, {**message.header, "op": "attach"}, ())
        self._granted = {k: v for k, v in self._granted.items() if v[0].task != who.task}
        key = want(message.header, "key", str).encode("ascii", "replace")
        self._granted[key] = who, message.user
        return {"told": {}}, ()

    async def serve(self, message: Message) -> Told:
        """Another node asks for a task that runs there."""
        header = message.header
        if want(header, "op", str) in LOCAL:
            raise ProtocolError("only the node itself may ask for that")
        epoch, runs = want(header, "epoch", int), want(header, "runs", bool)
        who = Who(want(header, "task", str), message.caller.key, epoch, runs=runs)
        try:
            if header["op"] == "grant":
                return await self._grant(who, message)
            told, payload = await self._do(who, header, message.payload)
        except OSError as error:
            if isinstance(error, HetmigError):
                raise
            return {"told": {"os_error": described(error)}}, ()
        return {"told": told}, payload

    async def _look(self) -> None:
        """Close the files of tasks that have come to an end."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for task in self.held.tasks:
                if not await self._lives(task):
                    self.held.drop([task])
            open_here = self.held.tasks
            self._granted = {k: v for k, v in self._granted.items() if v[0].task in open_here}

    async def _lives(self, task: str) -> bool:
        hosted = self._node.tasks.get(task)
        if hosted is not None and hosted.is_known:
            return True
        about = self._node.about_task(task) or {}
        asked = {"task": task, "home": about.get("home")}
        try:
            caller = Caller(self.held.owner(task))
            told, _ = await remote.find(self._node, asked, caller)
        except NoSuchObject:
            return False
        except HetmigError:
            return True  # nobody can say; a file that is open too long harms nobody
        return bool(told["task"]["state"] in ("running", "unreachable", "unresponsive"))


async def handle(node: Node, message: Message) -> Told:
    """A request from another node."""
    return await node.files.serve(message)
