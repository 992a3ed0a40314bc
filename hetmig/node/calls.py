"""An actor's calls on the node where it is: from its mailbox to its runner, and the answers back.

The runner gets one call at a time.  While the actor is frozen none is given and none accepted; the
mailbox travels in the same parcel as the actor, so both are at one place only, always the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from typing import Any

from hetmig.node import protocol
from hetmig.node.mailbox import Answer, Call, Mailbox
from hetmig.node.pool import Runner
from hetmig.node.protocol import Buffer, Message, want

__all__ = ["Calls"]

_COLLECT_SECONDS = 60.0
_ENTRY = "mailbox"
"""In the record of an actor on the way: what its mailbox holds."""


class Calls:
    """The part of a task on a node that others can call.  Empty if it is no actor."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self._runner: Runner | None = None
        """The actor's, while it is not frozen."""
        self._changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the actor takes calls in."""
        return self._runner is not None

    def begin(self, runner: Runner) -> None:
        """The actor runs, or goes on: what the runner had got and not begun, it gets again."""
        self._runner = runner
        self.mailbox.put_back()
        self._give()
        self.wake()

    def accept(self, call: Call, base: int) -> None:
        """A call arrived; see `Mailbox.accept`."""
        self.mailbox.accept(call, base, time.monotonic())
        self._give()

    def answered(self, message: Message) -> None:
        """The runner has executed the current call."""
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
        self._runner = None
        self.mailbox = Mailbox()
        self.wake()

    def end(self) -> None:
        """The actor has ended here.  What it has answered can be collected for a while."""
        self._runner = None
        self.mailbox.drop_calls()
        if self.mailbox.is_used:
            asyncio.get_running_loop().call_later(_COLLECT_SECONDS, self.left)
        self.wake()

    # Moving -----------------------------------------------------------------------------------

    def enclose(self, frozen: Message, about: dict[str, Any]) -> tuple[Message, dict[str, Any]]:
        """Frozen state and record of the task, with its mailbox: it takes no more calls."""
        self._runner = None
        if about.get("what") != "actor":
            return frozen, about
        described, data = self.mailbox.packed(time.monotonic())
        payload: list[Buffer] = [*frozen.payload, data]
        return dataclasses.replace(frozen, payload=payload), {**about, _ENTRY: described}

    def disclose(self, about: dict[str, Any], frames: list[Any]) -> list[Any]:
        """Take the mailbox out of what `enclose` put together.  Raises ProtocolError."""
        described = about.pop(_ENTRY, None)
        if described is None:
            return frames
        *frames, data = frames
        want({_ENTRY: described}, _ENTRY, dict)
        self.mailbox = Mailbox.unpacked(described, data, time.monotonic())
        return frames

    def _give(self) -> None:
        if self._runner is None or (call := self.mailbox.take()) is None:
            return
        self._runner.send(protocol.CALL, call.header, call.frames)
        self._runner.ask()
