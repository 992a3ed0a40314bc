"""The client's core, on asyncio: a connection to a node, and the tasks submitted through it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Sequence
from typing import Any

import zmq.asyncio

from hetmig import silence
from hetmig.calling import Caller
from hetmig.errors import (
    ForgedParcel,
    HetmigError,
    HomeMoved,
    InMotion,
    NodeUnreachable,
    ProtocolError,
    TaskLost,
)
from hetmig.following import End, Follower, Following
from hetmig.homes import Homes
from hetmig.hops import Hops
from hetmig.node import protocol, trace_context
from hetmig.node.keys import Certificate, Keyring, z85_key
from hetmig.node.link import Link
from hetmig.node.messages.outgoing import Outcome
from hetmig.node.protocol import Buffer, Message
from hetmig.sending import Posted, Sender, within
from hetmig.state import image
from hetmig.state.manifest import same_minor, this_python
from hetmig.state.parcel import Parcel, open_sealed, seal

__all__ = ["Connection", "End", "Follower", "find_node"]

_log = logging.getLogger("hetmig")
_REQUEST_SECONDS = 20.0
_GRACE_SECONDS = 30.0
_AGAIN_SECONDS = 0.05
_HELLOS = 2
_PATIENCE = 18.0
"""Seconds for which the home node may be silent before its tasks count as lost."""
_PATIENCE_WITH_JOURNAL = 600.0
"""The same, for a home node that still knows them when it is started again."""
_WRITE_SECONDS = 600.0
"""So long a checkpoint may take to be written: a large one, over a slow network."""


def find_node(endpoint: str, keyring: Keyring, server_key: bytes | str | None) -> Certificate:
    """The certificate of the node to connect to.  Raises NodeUnreachable if its key is unknown."""
    if server_key is not None:
        return Certificate(z85_key(server_key), endpoint=endpoint)
    return keyring.find(endpoint)


class Connection:
    """A client's connection to one node.  To be used within the event loop it was made in."""

    def __init__(self, keyring: Keyring, certificate: Certificate) -> None:
        self._context = zmq.asyncio.Context()
        self.link = Link(self._context, keyring.identity, certificate)
        connect = functools.partial(Link, self._context, keyring.identity)
        self.homes = Homes(self.link, connect, _introduction())
        self._following: set[asyncio.Task[None]] = set()
        self.importable: dict[str, bool] = {}
        """Whether the node has them, of the top-level modules that it was asked for."""
        self._callers: dict[str, Caller] = {}
        self._senders: dict[str, Sender] = {}

    async def open(self, timeout: float) -> dict[str, Any]:
        """Introduce ourselves.  Raises NodeUnreachable or Unauthorized."""
        try:
            welcome = await self.link.hello(_introduction(), timeout=timeout)
        except NodeUnreachable as error:
            why = await silence.reason_of(self.link.endpoint)
            raise NodeUnreachable(f"{error}; {why}" if why else str(error), **error.data) from None
        self.homes.learn(welcome.get("nodes", []))
        return welcome

    @property
    def is_foreign(self) -> bool:
        """Whether the node is of another minor version of Python: it can't read our bytecode."""
        return not same_minor(self.link.peer["python"], this_python())

    async def close(self) -> None:
        """Close the connection; the tasks go on."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        closed = HetmigError("the connection was closed")
        for caller in self._callers.values():
            await caller.close(closed)
        for sender in self._senders.values():
            await sender.close(closed)
        await self.homes.close()
        self._context.term()

    async def request(
        self, kind: str, header: dict[str, Any], *, timeout: float = _REQUEST_SECONDS
    ) -> dict[str, Any]:
        """A request without payload; the header of the answer."""
        return (await self.link.request(kind, header, timeout=timeout)).header

    async def _of_task(
        self,
        kind: str,
        header: dict[str, Any],
        timeout: float = _REQUEST_SECONDS,
        payload: Sequence[bytes] = (),
    ) -> dict[str, Any]:
        """A request about a task, for its home, wherever that is by now."""
        task = header["task"]
        while True:
            try:
                link = self.homes.link(task)
                return (await link.request(kind, header, payload, timeout=timeout)).header
            except HomeMoved as moved:
                await self.homes.moved(task, moved)
            except NodeUnreachable:
                if not await self.homes.seek(task):
                    raise

    async def missing(self, module: str) -> bool:
        """Whether the node cannot import this top-level module."""
        if module not in self.importable:
            answer = await self.request(protocol.IMPORTABLE, {"modules": [module]})
            self.importable[module] = module in answer["found"]
        return not self.importable[module]

    async def submit(
        self,
        manifest: dict[str, Any],
        frames: Sequence[Buffer],
        at: str | None = None,
        timeout: float = _REQUEST_SECONDS,
    ) -> dict[str, Any]:
        """Hand in a frozen call, a script or an object: its `home`, which is the node.

        `at` is the node where it is to begin.
        """
        header = {} if at is None else {"at": at}
        if trace := trace_context.current():
            manifest = {**manifest, "task": {**manifest["task"], "trace": trace}}
        parcel = Parcel(manifest, [memoryview(frame) for frame in frames], True)
        return (await self._request(protocol.SUBMIT, header, parcel, timeout)).header

    async def _request(
        self, kind: str, header: dict[str, Any], parcel: Parcel | None, timeout: float
    ) -> Message:
        """A request with a parcel, sealed for the node as it is now: it may be another process."""
        link = self.homes.link(header.get("task"))
        if parcel is None:
            return await link.request(kind, header, timeout=timeout)
        for _ in range(_HELLOS):
            session = bytes.fromhex(link.peer["session"])
            wire = seal(parcel.manifest, parcel.frames, session)
            try:
                return await link.request(kind, header, wire, timeout=timeout)
            except ForgedParcel:
                await link.hello(_introduction(), timeout=timeout)
        raise ProtocolError("the node does not take what is sealed with the key that it gave us")

    async def ask(
        self, kind: str, header: dict[str, Any], parcel: Parcel | None, timeout: float
    ) -> tuple[dict[str, Any], Parcel | None]:
        """A request about an object or actor, wherever it is; the answer, with what it brings."""
        task = header["task"]
        try:
            answer = await self._request(kind, header, parcel, timeout)
        except NodeUnreachable:
            if not await self.homes.seek(task):
                raise
            return await self.ask(kind, header, parcel, timeout)
        if not answer.payload:
            return answer.header, None
        link = self.homes.link(task)
        try:
            session = bytes.fromhex(link.peer["session"])
            return answer.header, open_sealed(answer.payload, session)
        except ForgedParcel:  # the node was restarted since
            await link.hello(_introduction(), timeout=timeout)
            return await self.ask(kind, header, parcel, timeout)

    async def get(self, task: str, home: dict[str, Any], timeout: float) -> End:
        """Fetch an object, still frozen."""
        header = {"task": task, "home": home, "timeout": timeout}
        _, parcel = await self.ask(protocol.GET, header, None, timeout)
        if parcel is None:
            raise ProtocolError("the node's answer holds no object")
        return End(True, frozen=image.Image.of_parcel(parcel), manifest=parcel.manifest)

    def call(
        self, task: str, home: dict[str, Any], method: str, frozen: image.Image
    ) -> asyncio.Future[End]:
        """Call a method of an actor; the future of its end, still frozen.  Raises MailboxFull."""
        if task not in self._callers:
            self._callers[task] = Caller(self, task, home)
        return self._callers[task].call(method, frozen)

    async def send(
        self,
        task: str,
        home: dict[str, Any],
        frozen: image.Image,
        timeout: float | None = None,
        *,
        name: str = "",
        request: bool = False,
    ) -> Posted:
        """Send a message or a request to a task; returns when its mailbox has accepted it.

        What becomes of it is `Posted.outcome`.  Raises MailboxFull if there was no room for it
        within `timeout` s, NotReceived if the task has ended, NodeUnreachable.
        """
        if task not in self._senders:
            self._senders[task] = Sender(self, task, name, home)
        return await self._senders[task].send(frozen, timeout, request=request)

    async def replied(
        self, address: tuple[str, str, dict[str, Any]], frozen: image.Image, timeout: float | None
    ) -> Outcome:
        """Send a request to the task of this id, name and home; what comes of it."""
        task, name, home = address
        posted = await self.send(task, home, frozen, timeout, name=name, request=True)
        try:
            return await within(posted, timeout)
        finally:
            self._senders[task].forget(posted)

    async def move(self, task: str, to: str, timeout: float) -> dict[str, Any]:
        """Move a task; the completed hop."""
        header = {"task": task, "to": to, "timeout": timeout}
        seconds = 2 * timeout + _GRACE_SECONDS
        answer = await self._at_rest(protocol.MOVE, header, timeout, seconds)
        hop: dict[str, Any] = answer["hop"]
        return hop

    async def checkpoint(self, task: str, wanted: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Have a copy of a task kept; the record of it."""
        header = {"task": task, "timeout": timeout, "patience": _WRITE_SECONDS, **wanted}
        seconds = timeout + _WRITE_SECONDS + _GRACE_SECONDS
        answer = await self._at_rest(protocol.CHECKPOINT, header, timeout, seconds)
        saved: dict[str, Any] = answer["checkpoint"]
        return saved

    async def divide(self, task: str, parts: int, to: list[str], timeout: float) -> int:
        """Divide a loop of a task; into how many parts."""
        header = {"task": task, "parts": parts, "to": to, "timeout": timeout}
        seconds = timeout + 2 * _GRACE_SECONDS
        return int((await self._at_rest(protocol.DIVIDE, header, timeout, seconds))["parts"])

    async def cancel(self, task: str) -> None:
        """End a task, wherever it is."""
        await self._at_rest(protocol.CANCEL, {"task": task}, _REQUEST_SECONDS, _GRACE_SECONDS)

    async def _at_rest(
        self, kind: str, header: dict[str, Any], patience: float, seconds: float
    ) -> dict[str, Any]:
        """A request about a task that may be between two nodes just now: then ask again."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return await self._of_task(kind, header, seconds)
            except InMotion:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    async def drain(self, node: str | None, timeout: float, **how: bool) -> list[dict[str, Any]]:
        """Drain a node; what became of each of its tasks."""
        header = {"timeout": timeout, **({"node": node} if node else {}), **how}
        answer = await self.request(protocol.DRAIN, header, timeout=timeout + 2 * _GRACE_SECONDS)
        report: list[dict[str, Any]] = answer["report"]
        return report

    async def summary(self, task: str) -> dict[str, Any]:
        """The task's record, as of now, with its last hop."""
        header = {"task": task, "after": 1 << 62, "version": -1, "brief": True}
        summary: dict[str, Any] = (await self._of_task(protocol.FOLLOW, header))["task"]
        return summary

    async def whole(self, task: str) -> dict[str, Any]:
        """The task's record, as of now, with all its hops."""
        told: dict[str, Any] = {}
        hops = Hops()
        while not hops.is_complete:
            header = {"task": task, "after": 1 << 62, "version": -1, "mark": hops.mark}
            told = await self._of_task(protocol.FOLLOW, header)
            hops.add(told)
        return {**told["task"], "hops": hops.all()}

    async def tasks(self, hops: int | None = 1) -> list[dict[str, Any]]:
        """The records of all tasks of the node, with so many of their last hops; None: with all."""
        header = {"hops": 1 if hops is None else hops}
        found: list[dict[str, Any]] = (await self.request(protocol.TASKS, header))["tasks"]
        if hops is None:
            for summary in found:
                if summary["moves"] > 1:
                    with contextlib.suppress(TaskLost):  # forgotten in the meantime
                        summary.update(await self.whole(summary["id"]))
        return found

    async def replicate(
        self, task: str, to: str | None, every: float, timeout: float
    ) -> dict[str, Any]:
        """Have a warm copy of a task at another node; what is there now."""
        header = {"task": task, "to": to, "every": every, "timeout": timeout}
        seconds = 2 * timeout + _GRACE_SECONDS
        told = await self._at_rest(protocol.REPLICATE, header, timeout, seconds)
        replica: dict[str, Any] = told["replica"]
        return replica

    async def rehome(self, task: str, to: str, timeout: float) -> dict[str, Any]:
        """Let the record of a task move to the node `to`; its `home` then, and who was `told`."""
        header = {"task": task, "to": to, "timeout": timeout}
        told = await self._of_task(protocol.REHOME, header, timeout + _GRACE_SECONDS)
        await self.homes.moved(task, told["home"])
        return told

    async def tell(self, task: str, number: int, piece: bytes) -> None:
        """Hand in a piece of a task's standard input."""
        header = {"task": task, "n": number}
        await self._of_task(protocol.INPUT, header, payload=[piece])

    def follow(self, task: str, follower: Follower, *, owner: bool) -> None:
        """Tell the follower everything about a task, from its beginning to its end."""
        patience = _PATIENCE_WITH_JOURNAL if self.link.peer.get("durable") else _PATIENCE
        work = Following(self.homes, task, follower, is_owner=owner, patience=patience).run()
        following = asyncio.create_task(work)
        self._following.add(following)
        following.add_done_callback(self._following.discard)


def _introduction() -> dict[str, Any]:
    return {"role": "client", "python": this_python()}
