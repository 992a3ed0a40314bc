"""A task's entry in the journal: what its node is to it, and the image it restarts from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import TaskLost
from hetmig.node.freezing import manifest_of
from hetmig.node.handoff import State
from hetmig.node.journal import Row
from hetmig.node.protocol import Buffer, Message, want
from hetmig.node.steps import step
from hetmig.state.parcel import Parcel, open_sealed, seal

if TYPE_CHECKING:
    from hetmig.node.hosted import Hosted

__all__ = ["Entry"]


class Entry:
    """What the journal keeps of one task on this node."""

    def __init__(self, hosted: Hosted) -> None:
        self.image: int | None = None
        """The epoch of what the journal keeps to restart the task from."""
        self._hosted = hosted

    def record(self, also: Callable[[], None] | None = None, *, hurry: bool = False) -> None:
        """Put on the disk what this node is to the task; `hurry`: see `Journal.record`.

        Raises JournalError.
        """
        hosted, state = self._hosted, self._hosted.handoff.state
        if not hosted.is_known or state in (State.STAGING, State.CLAIMED):
            self.image = None
        forward = hosted.peer["place"] if state is State.GONE else hosted.forward
        peer = {name: value for name, value in hosted.peer.items() if name != "frozen_at"}
        row = Row(hosted.handoff.lasting, hosted.about, peer, forward, self.image)
        hosted.node.journal.record(hosted.id, row, also, hurry=hurry)

    async def keep(self, epoch: int, manifest: dict[str, Any], payload: Sequence[Buffer]) -> None:
        """Keep what the task can be restarted from, with the next record.  Raises JournalError."""
        hosted, journal = self._hosted, self._hosted.node.journal
        if journal.is_durable:
            wire = seal(manifest, payload, None)
            file = None
            if not journal.is_small(wire):
                file = await asyncio.to_thread(journal.write_file, wire)
            journal.keep_image(hosted.id, epoch, wire, file)
            if hosted.handoff.epoch == epoch:  # and no later offer has come meanwhile
                self.image = epoch
            step("image-written")

    async def keep_standing(self, frozen: Message) -> None:
        """Keep the frozen task in the journal as it stands: the next start goes on from there.

        Raises JournalError.
        """
        hosted = self._hosted
        inclosed, about = hosted.calls.enclose(frozen, hosted.about)
        about = {**about, "events": want(frozen.header, "events", int), "standing": True}
        manifest = manifest_of(inclosed, about)
        await self.keep(hosted.handoff.epoch, manifest, inclosed.payload)
        self.record()
        hosted.node.journal.sync()  # also if nothing but the image is new

    def kept(self) -> Parcel:
        """What the task can be restarted from.  Raises HetmigError."""
        if self.image is None:
            raise TaskLost("its node was killed, and had kept nothing to restart it from")
        return open_sealed(self._hosted.node.journal.image(self._hosted.id, self.image), None)

    def drop(self) -> None:
        """Keep no image any more."""
        self.image = None
        self._hosted.node.journal.drop_images(self._hosted.id, None)
