"""Copies of the task in this process, sent to its node while the task goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hetmig.errors import HetmigError, NotMigratable, ProtocolError
from hetmig.interpreter.activation import Activation
from hetmig.node import protocol
from hetmig.node.channel import Channel
from hetmig.node.protocol import Buffer, Message
from hetmig.state.image import Image

__all__ = ["Copies"]

Freeze = Callable[[list[Activation], bool], Image]


class Copies:
    """What the node is to keep of the task: in `send`, and in the answers to it."""

    def __init__(self, channel: Channel, freeze: Freeze) -> None:
        self._channel = channel
        self._freeze = freeze
        self._unsaved = 0
        """Copies that the task itself has sent, of which the node has not said they are kept."""

    def frozen(self, stack: list[Activation]) -> tuple[Image, str]:
        """In the form that every version of Python can read, if possible; else why not."""
        try:
            return self._freeze(stack, True), ""
        except NotMigratable as error:
            return self._freeze(stack, False), error.reason

    def send(
        self, frozen: tuple[Image, str], started: float, header: dict[str, Any], own: bool = False
    ) -> None:
        """Send the node a copy of the frozen task, which then goes on.

        `own`: the task itself wants it, and the node is to say when it is kept.
        Raises NotMigratable for what is too large to be sent.
        """
        image, pinned_because = frozen
        # The program's own memory, which it changes as soon as it goes on.
        copies: list[Buffer] = [bytes(frame) for frame in image.frames]
        header |= {"kind": image.kind, "portable": image.portable, "description": image.description}
        header |= {"pinned_because": pinned_because, "freeze_s": time.monotonic() - started}
        with self._channel.lock:
            try:
                self._channel.send(protocol.SNAPSHOT, header, copies)
            except ProtocolError as large:  # nothing was sent
                raise NotMigratable(f"the state is too large: {large}") from large
            self._unsaved += own

    def saved(self) -> None:
        """The node has dealt with a copy that the task itself has sent.  The channel is locked."""
        self._unsaved -= 1

    def await_saved(self, aside: Callable[[Message], None]) -> HetmigError | None:
        """Wait until the node has dealt with all of them; why the last one could not be kept.

        `aside` hears whatever else the node says, with the channel locked.
        """
        error: Any = None
        with self._channel.lock:
            while self._unsaved > 0:
                message = self._channel.receive()
                if message.kind == protocol.SAVED:
                    self.saved()
                    error = message.header.get("error")
                else:
                    aside(message)
        return None if error is None else protocol.rebuild_error(error)
