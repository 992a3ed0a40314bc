"""An actor's calls on the node where it is: from its mailbox to its runner, and the answers back.

The runner gets one call at a time.  While the actor is frozen none is given and none accepted; the
mailbox travels in the same parcel as the actor, so both are at one place only, always the same.
So do the messages of a task, which asks for them itself: see `hetmig.node.messages`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from typing import Any

from hetmig.node import protocol
from hetmig.node.mailbox import Answer, Call
from hetmig.node.messages.box import MessageBox, News, Remains
from hetmig.node.messages.log import MessageLog
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message, want
from hetmig.state.parcel import Parcel

__all__ = ["Calls"]

_COLLECT_SECONDS = 60.0
_ENTRY = "mailbox"
"""In the record of an actor on the way: what its mailbox holds."""


class Calls:
    """The part of a task on a node that others can call, or send messages to."""

    def __init__(self, log: MessageLog) -> None:
        self.mailbox = MessageBox()
        self.log = log
        """What the mailbox has accepted since the task's image."""
        self.restores = False
        """Whether the task is still to be restarted, and its mailbox with it."""
        self.left_at: float | None = None
        """When (monotonic) the task has left this node, if it has."""
        self.remains: Remains | None = None
        """Of a task that has ended here, the messages it has not received."""
        self._runner: Runner | None = None
        """The task's, while it is not frozen."""
        self._changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the actor takes calls in."""
        return self._runner is not None

    def begin(self, runner: Runner) -> None:
        """The actor runs, or goes on: what the runner had got and not begun, it gets again."""
        self._runner, self.restores = runner, False
        self.mailbox.put_back()
        self._give()
        self.wake()

    def accept(self, call: Call, base: int) -> bool:
        """A call arrived; see `Mailbox.accept`."""
        is_new = self.mailbox.accept(call, base, time.monotonic())
        self._give()
        return is_new

    def hear(self, message: Message, about: dict[str, Any]) -> None:
        """The runner says something, which may concern calls and messages."""
        match message.kind:
            case protocol.ANSWER:
                self._answered(message)
            case protocol.TAKEN | protocol.DONE:
                self.taken(want(message.header, "received", int, 0))
            case protocol.SNAPSHOT:
                self._snapshot(message, about)

    def _answered(self, message: Message) -> None:
        """The runner has executed the current call, or replies to a request."""
        if "sender" in message.header:
            to = want(message.header, "sender", str), want(message.header, "n", int)
            reply = {"ok": True, "error": None, "traceback": ""}
            reply["manifest"] = want(message.header, "manifest", dict)
            self.mailbox.reply(*to, Answer(reply, message.payload))
            self.wake()
            return
        if self.mailbox.current is None:  # the actor was deleted while the answer was on its way
            return
        header = {name: message.header[name] for name in ("ok", "traceback", "manifest")}
        header["error"] = None
        self.mailbox.answer(Answer(header, message.payload))
        self._give()
        self.wake()

    async def collect(
        self, sender: str, low: int, got: list[int], seconds: float
    ) -> dict[int, Answer]:
        """The answers for a sender; waits for the first one, but not for long."""
        until = time.monotonic() + seconds
        while True:
            found = self.mailbox.collect(sender, low, got, time.monotonic())
            remaining = until - time.monotonic()
            if found or remaining <= 0:
                return found
            await self.change(remaining)
            if not self.is_open:  # any more: it is to be looked for elsewhere
                return {}

    def given_to(self, runner: Runner, after: int, most: int, nbytes: int) -> list[Call]:
        """Messages for the task in this runner, after those that it has been given already."""
        return self.mailbox.after(after, most, nbytes) if self._runner is runner else []

    def taken(self, received: int) -> None:
        """The task's program has received so many messages, ever."""
        if self._runner is not None and (calls := self.mailbox.taken(received)):
            self.log.received(calls)
            self.wake()

    def news(self, sender: str, base: int, low: int, got: list[int]) -> News:
        """What a sender of messages hears; see `MessageBox.news`."""
        return self.mailbox.news(sender, base, low, got, time.monotonic())

    async def change(self, seconds: float) -> None:
        """Wait until something has happened here."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def wake(self) -> None:
        """Something has happened."""
        self._changed.set()
        self._changed = asyncio.Event()

    def left(self) -> None:
        """The actor is at another node now, and all its calls with it."""
        self._runner, self.restores = None, False
        self.left_at = time.monotonic()
        self.mailbox = MessageBox()
        self.log.clear()
        self.wake()

    def end(self, about: dict[str, Any]) -> dict[str, Any]:
        """The task has ended here; what of its messages belongs in the report of that.

        What it has answered can be collected for a while.
        """
        self._runner = None
        told: dict[str, Any] = {}
        if self.mailbox.is_used and about.get("what") != "actor":
            self.remains = self.mailbox.remains()
            told = {"unreceived": self.remains}
        self.mailbox.drop_calls()
        if self.mailbox.is_used:
            asyncio.get_running_loop().call_later(_COLLECT_SECONDS, self.left)
        self.wake()
        return told

    # Moving -----------------------------------------------------------------------------------

    def enclose(self, frozen: Message, about: dict[str, Any]) -> tuple[Message, dict[str, Any]]:
        """Frozen state and record of the task, with its mailbox: it takes no more calls."""
        self._runner = None
        return self.copied(frozen, about)

    def copied(self, frozen: Message, about: dict[str, Any]) -> tuple[Message, dict[str, Any]]:
        """The same for a checkpoint, after which the task goes on."""
        if _ENTRY in frozen.header:
            return frozen, {**about, _ENTRY: frozen.header[_ENTRY]}
        if about.get("what", "task") == "object" or not self.mailbox.is_used:
            return frozen, about
        described, data = self.mailbox.packed(time.monotonic())
        payload: list[Buffer] = [*frozen.payload, data]
        return dataclasses.replace(frozen, payload=payload), {**about, _ENTRY: described}

    def _snapshot(self, message: Message, about: dict[str, Any]) -> None:
        """A copy of the task has come: what its mailbox holds at this moment belongs to it."""
        copied, about = self.copied(message, about)
        message.payload = copied.payload
        if _ENTRY in about:
            message.header[_ENTRY] = about[_ENTRY]

    def disclose(self, about: dict[str, Any], frames: list[Any]) -> list[Any]:
        """Take the mailbox out of what `enclose` put together.  Raises HetmigError."""
        described, now = about.pop(_ENTRY, None), time.monotonic()
        if described is not None:
            *frames, data = frames
            want({_ENTRY: described}, _ENTRY, dict)
            self.mailbox = MessageBox.unpacked(described, data, now)
        elif self.restores:
            self.mailbox = MessageBox()
        if self.restores:
            self.log.replay(self.mailbox, now)
        return frames

    def opened(self, parcel: Parcel) -> Parcel:
        """A parcel that comes from a checkpoint, without the mailbox that it may hold."""
        frames = self.disclose(dict(parcel.manifest["task"]), list(parcel.frames))
        return Parcel(parcel.manifest, frames, parcel.authenticated)

    def _give(self) -> None:
        waiting = self.mailbox.waiting
        if self._runner is None or not (waiting and "method" in waiting[0].header):
            return  # frozen; or these are messages, which the task asks for itself
        if (call := self.mailbox.take()) is None:
            return
        self._runner.send(protocol.CALL, call.header, call.frames)
        self._runner.ask()
