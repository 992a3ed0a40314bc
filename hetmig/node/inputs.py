"""What submitters say to their tasks: read on demand, kept in numbered pieces at the home node.

A task asks for the piece it has not had; so each is read exactly once, however often the task
moves, and a task that begins again after a crash reads the same once more.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from typing import TYPE_CHECKING, Any

from hetmig.errors import HetmigError, SubmitterGone, TaskLost
from hetmig.node import protocol, rights
from hetmig.node.caller import Caller
from hetmig.node.protocol import Message, want
from hetmig.node.record import Record

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["HANDLERS", "Inputs", "asked"]

_GONE_SECONDS = 12.0
"""A submitter asks for news more often than this."""
_POLL_SECONDS = 5.0
_ANSWER_SECONDS = 20.0
_HELLO_SECONDS = 5.0
_KEEP_BYTES = 16 << 20
"""Of what a task has read, for the case that it begins again."""
_MOST_BYTES = 1 << 20


class _Input:
    """What one task is told."""

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}
        self.wanted: tuple[int, int] | None = None
        """Number of the piece that the task waits for, and of its last event before."""
        self.heard = time.monotonic()
        """When a submitter last offered to read."""
        self.changed = asyncio.Event()


class Inputs:
    """What the tasks whose home this node is are told."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._of: dict[str, _Input] = {}

    def _input(self, task: str) -> _Input:
        if task not in self._of:
            for old in self._of.keys() - self._node.home.records.keys():
                del self._of[old]
            made = self._of[task] = _Input()
            for kept in self._node.journal.reports(task):
                if kept.header.get("what") == "input":
                    made.pieces[kept.header["n"]] = b"".join(map(bytes, kept.payload))
        return self._of[task]

    async def read(self, task: str, number: int, events: int) -> bytes | None:
        """The piece of this number; empty at the end, None if it is not there yet.

        Raises SubmitterGone.
        """
        record = self._node.home.find(task)
        if not record.about.get("stdin"):
            return b""
        told = self._input(task)
        if number not in told.pieces:
            if any(number < other for other in told.pieces):
                raise SubmitterGone("what was read so long ago is kept no more")
            told.wanted = number, events
            record.touch()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await told.changed.wait()
        if number in told.pieces:
            return told.pieces[number]
        if time.monotonic() - told.heard > _GONE_SECONDS:
            raise SubmitterGone("whoever started the task is not there to be asked any more")
        return None

    def offered(self, record: Record, after: int) -> int | None:
        """A submitter offers to read, and has seen what the task wrote up to `after`.

        The number of the piece which the task waits for, if all that was written before is seen.
        """
        told = self._input(record.id)
        told.heard = time.monotonic()
        if told.wanted is None:
            return None
        number, events = told.wanted
        unseen = any(after < piece[0] <= events for piece in record.output.pieces)
        return None if unseen or record.next_event <= events else number

    def put(self, task: str, number: int, piece: bytes) -> None:
        """The submitter has read a piece; once."""
        told = self._input(task)
        if number in told.pieces or (told.pieces and number < max(told.pieces)):
            return
        told.pieces[number] = piece
        header = {"task": task, "what": "input", "n": number, "epoch": 1}
        self._node.home.keep(header, [piece])
        size = sum(map(len, told.pieces.values()))
        while size > _KEEP_BYTES and len(told.pieces) > 1:
            oldest = min(told.pieces)
            size -= len(told.pieces.pop(oldest))
            self._node.journal.drop_reports(task, [f"input/{oldest}"])
        told.wanted = None
        told.changed.set()
        told.changed = asyncio.Event()
        self._node.syncing.soon()


async def asked(node: Node, header: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """A task that runs here reads."""
    home = want(header, "home", dict)
    if home == node.here:
        return await _read(node, header)
    link = await node.directory.acquaint(home, node.about(), _HELLO_SECONDS)
    header = {**header, "as": caller.key}
    answer = await link.request(protocol.READ_INPUT, header, timeout=_ANSWER_SECONDS)
    return {"data": want(answer.header, "data", str, None)}


async def _read(node: Node, header: dict[str, Any]) -> dict[str, Any]:
    task, number = want(header, "task", str), want(header, "n", int)
    piece = await node.inputs.read(task, number, want(header, "events", int))
    return {"data": None if piece is None else base64.b64encode(piece).decode()}


async def _of_another(node: Node, message: Message) -> tuple[dict[str, Any], tuple[()]]:
    """Another node asks for a task that runs there."""
    task = want(message.header, "task", str)
    if (about := node.about_task(task)) is None:
        raise TaskLost(f"this node knows no task {task}")
    rights.require_control(message.kind, message.caller, about)
    return await _read(node, message.header), ()


async def _piece(node: Node, message: Message) -> tuple[dict[str, Any], tuple[()]]:
    """A submitter has read something."""
    task, number = want(message.header, "task", str), want(message.header, "n", int)
    record = node.home.find(task)
    rights.require_control(message.kind, message.caller, record.about)
    piece = b"".join(map(bytes, message.payload))
    if len(piece) > _MOST_BYTES:
        raise HetmigError(f"a piece of {len(piece)} bytes; {_MOST_BYTES} are allowed")
    node.inputs.put(task, number, piece)
    return {}, ()


HANDLERS = {protocol.READ_INPUT: _of_another, protocol.INPUT: _piece}
