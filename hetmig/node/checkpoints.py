"""A node keeps copies of its tasks: when, where, how many, and whom it tells.

The task stands still only until its runner has copied its state; this node seals the copy and
writes it, in a thread, one after the other for each task.  The home node is told of each.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.errors import CheckpointFailed, HetmigError, InMotion, NotMigratable
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.checkpoint_keys import own_secret
from hetmig.node.directories import state_directory
from hetmig.node.events import happened
from hetmig.node.freezing import manifest_of, stood_at
from hetmig.node.protocol import Message, describe_error, want
from hetmig.node.shelf import Shelf
from hetmig.state.checkpoint import (
    KEEP,
    Name,
    derived,
    forget,
    prune,
    seal_checkpoint,
    take_out_written,
)
from hetmig.state.parcel import Parcel
from hetmig.state.stores import store_at

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted
    from hetmig.node.pool import Runner

__all__ = ["Checkpoints", "admitted", "default_place", "settings_of"]

_log = logging.getLogger("hetmig")
_SECONDS = 10.0
"""For finding a safe point, where nobody says how long that may take."""
_SHORTEST_EVERY = 0.05
_SEEN_SECONDS = 1.0
"""So long a checkpoint waits for the submitter to say that it has the task's output up to there."""
_LOOK_SECONDS = 0.01


def default_place() -> str:
    """Where checkpoints lie that nobody has chosen a place for: `$XDG_STATE_HOME/hetmig`."""
    return str(state_directory("checkpoints"))


def settings_of(wanted: dict[str, Any]) -> dict[str, Any]:
    """What a submitter wants, checked: `to`, `every`, `keep`, `series`, `number`, `of`.

    `series` and `number` are those of the last checkpoint, of a task that is resumed; `of` is a
    digest of what was submitted.

    Raises ProtocolError.
    """
    checked = {
        "to": want(wanted, "to", str, None),
        "every": want(wanted, "every", float, None),
        "keep": want(wanted, "keep", int, KEEP),
        "series": want(wanted, "series", str, None),
        "number": want(wanted, "number", int, 0),
        "of": want(wanted, "of", str, ""),
    }
    if checked["every"] is not None:
        checked["every"] = max(checked["every"], _SHORTEST_EVERY)
    return checked


def admitted(node: Node, about: dict[str, Any], parcel: Parcel) -> Parcel:
    """A task comes from a checkpoint: its home gets the output that was kept with it."""
    if "checkpoint" not in parcel.manifest:
        return parcel
    parcel, pieces = take_out_written(parcel)
    for number, (stream, piece) in enumerate(pieces, 1):
        header = {"task": about["id"], "epoch": about["epoch"], "what": "output"}
        node.home.report({**header, "n": number, "stream": stream}, [piece])
    about["events"] = len(pieces)
    return parcel


class Checkpoints:
    """What a node does about checkpoints of the tasks that are on it."""

    def __init__(self, node: Node, keys: Path) -> None:
        self.place = ""
        """Where they lie if the task's submitter has not said; empty: `default_place`."""
        self._node = node
        self._keys = keys
        self._secret: bytes | None = None
        self._writing: dict[str, asyncio.Lock] = {}
        self._done: weakref.WeakSet[Hosted] = weakref.WeakSet()

    async def take(
        self,
        hosted: Hosted,
        *,
        to: str | None = None,
        keep: int | None = None,
        timeout: float = _SECONDS,
        stop: bool = False,
        because: str = "",
    ) -> dict[str, Any]:
        """Keep a copy of a task that runs here; the record of it.

        With `stop` the task does not go on: it is cancelled as soon as the copy is written, or lost
        if it is `because` of something that nobody has wished for.
        Raises NotMigratable if it can't be captured, CheckpointFailed if the copy can't be written;
        the task goes on then.
        """
        if hosted.about.get("what", "task") != "task":
            raise NotMigratable(
                f"{hosted.about['name']} is no task but an {hosted.about['what']}: let a method "
                "return what is to be kept"
            )
        return await hosted.saving.save(timeout, stop, self._writer(hosted, to, keep), because)

    async def park(self, hosted: Hosted, *, timeout: float) -> dict[str, Any] | None:
        """Stop a task and keep it in the journal as it stands, as this node is about to end.

        If somebody has chosen a place for its checkpoints, there is one as well, as the machine may
        never come back; the record of it.  Raises HetmigError; the task goes on then.
        """
        settings = hosted.about.get("checkpoint") or {}
        is_task = hosted.about.get("what", "task") == "task"
        chosen = settings.get("to") or settings.get("every") or self.place
        write = self._writer(hosted, None, None) if is_task and chosen else None
        try:
            return await hosted.saving.park(timeout, write)
        except CheckpointFailed as error:
            _log.error("no checkpoint of task %s, which is in the journal: %s", hosted.id, error)
            return None

    def begun(self, hosted: Hosted) -> None:
        """A task begins on this node, or goes on here."""
        self._node.replicating.begun(hosted)
        settings = hosted.about.get("checkpoint")
        begins_elsewhere = isinstance(hosted.runner, Shelf)
        if settings is not None and settings["every"] is not None and not begins_elsewhere:
            spawn(self._again_and_again(hosted, settings["every"]))

    async def own(self, hosted: Hosted, runner: Runner, message: Message) -> None:
        """The task itself has sent a copy."""
        try:
            await self._writer(hosted, want(message.header, "to", str, None), None)(message)
        except HetmigError as error:
            runner.send(protocol.SAVED, {"error": describe_error(error)})
        else:
            runner.send(protocol.SAVED, {"error": None})

    async def asked(self, hosted: Hosted, message: Message) -> None:
        """The task asks for one, as soon as it can be captured."""
        await self._try(hosted, want(message.header, "to", str, None), _SECONDS)

    def ended(self, hosted: Hosted) -> None:
        """The task has come to a good end: nobody resumes what this node has kept by itself."""
        settings = hosted.about.get("checkpoint") or {}
        if settings.get("every") is None:
            return
        self._done.add(hosted)  # what is being written of it just now is not wanted any more
        if settings.get("to") is None:
            spawn(self._forget(hosted, self._place(hosted.about, None)))

    async def _forget(self, hosted: Hosted, place: str) -> None:
        async with self._lock(hosted.id):
            try:
                await asyncio.to_thread(forget, place, _series(hosted.about))
            except HetmigError as error:
                _log.error("old checkpoints of task %s stay: %s", hosted.id, error)

    async def _again_and_again(self, hosted: Hosted, every: float) -> None:
        owned = hosted.handoff.owned
        while True:
            await asyncio.sleep(every)
            if not hosted.is_here or hosted.handoff.owned != owned:
                return
            await self._try(hosted, None, min(_SECONDS, max(every, 1.0)))

    async def _try(self, hosted: Hosted, to: str | None, timeout: float) -> None:
        try:
            await self.take(hosted, to=to, timeout=timeout)
        except InMotion:
            return
        except HetmigError as error:
            if hosted.is_here and not error.data.get("ended"):
                _log.info("no checkpoint of task %s: %s", hosted.id, error)
                self._report(hosted.about, hosted.handoff.owned, None, str(error))

    # Writing ----------------------------------------------------------------------------------

    def _writer(
        self, hosted: Hosted, to: str | None, keep: int | None
    ) -> Callable[[Message], Awaitable[dict[str, Any]]]:
        """What keeps a copy, of a task under its present epoch."""
        begun = time.monotonic()

        def write(frozen: Message) -> Awaitable[dict[str, Any]]:
            # At once, not when it is awaited: the task may be elsewhere then.
            settings = hosted.about.setdefault("checkpoint", settings_of({}))
            settings["number"] += 1
            name = Name(_series(hosted.about), hosted.handoff.owned, settings["number"])
            place = self._place(hosted.about, to)
            kept = settings["keep"] if keep is None else keep
            return self._written(hosted, frozen, name, place, kept, begun)

        return write

    async def _written(
        self,
        hosted: Hosted,
        frozen: Message,
        name: Name,
        place: str,
        keep: int,
        begun: float,
    ) -> dict[str, Any]:
        entry = self._entry(frozen, name)
        frozen, about = hosted.calls.copied(frozen, hosted.about)
        about = {**about, "events": want(frozen.header, "events", int)}
        manifest = manifest_of(frozen, about)
        async with self._lock(hosted.id):
            pieces = await self._unseen(about, about["events"])

            def write() -> tuple[str, int]:
                key = derived(self._own_secret(), name.series)
                wire = seal_checkpoint(manifest, frozen.payload, key, entry, pieces)
                store = store_at(place)
                size = store.write(str(name), wire)
                if hosted in self._done:
                    store.remove(str(name))
                    raise CheckpointFailed("the task has ended")
                prune(store, name.series, keep)
                return store.where(str(name)), size

            try:
                where, size = await asyncio.to_thread(write)
            except CheckpointFailed:
                raise
            except (HetmigError, ValueError) as error:
                raise CheckpointFailed(str(error)) from error
        frozen_s = time.monotonic() - frozen.header.get("started", begun)
        record = {
            **entry,
            **stood_at(manifest["frames"]),
            "task": hosted.id,
            "where": where,
            "bytes": size,
            "freeze_s": frozen.header.get("freeze_s", frozen_s),
            "total_s": time.monotonic() - begun,
            "portable": manifest["portable"],
        }
        self._report(about, name.epoch, record, "")
        told = {item: record[item] for item in ("number", "bytes", "freeze_s", "total_s")}
        happened("checkpoint", hosted.id, name.epoch, **told)
        return record

    def _entry(self, frozen: Message, name: Name) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            "series": name.series,
            "epoch": name.epoch,
            "number": name.number,
            "time": time.time(),
            "node": self._node.here["name"],
            "pinned_because": want(frozen.header, "pinned_because", str, ""),
        }

    async def _unseen(self, about: dict[str, Any], events: int) -> Sequence[tuple[str, bytes]]:
        """The task's output up to there which nobody has confirmed: it is kept with the task.

        A home node on another machine keeps it itself.
        """
        record = self._node.home.records.get(about["id"])
        if record is None:
            return ()
        until = time.monotonic() + _SEEN_SECONDS
        while (
            record.output.is_followed and record.output.unseen(events) and time.monotonic() < until
        ):
            await asyncio.sleep(_LOOK_SECONDS)
        return record.output.unseen(events)

    def _report(
        self, about: dict[str, Any], epoch: int, record: dict[str, Any] | None, reason: str
    ) -> None:
        header: dict[str, Any] = {"task": about["id"], "epoch": epoch, "what": "checkpoint"}
        header["n"] = record["number"] if record else f"failed {time.monotonic()}"
        header |= {"checkpoint": record, "reason": reason}
        if record is not None:
            header["key"] = derived(self._own_secret(), record["series"]).hex()
        self._node.report(about, header)

    def _place(self, about: dict[str, Any], to: str | None) -> str:
        settings = about.get("checkpoint") or {}
        return to or settings.get("to") or self.place or default_place()

    def _own_secret(self) -> bytes:
        if self._secret is None:
            self._secret = own_secret(self._keys)
        return self._secret

    def _lock(self, task: str) -> asyncio.Lock:
        if len(self._writing) > 1000:
            free = [name for name, lock in self._writing.items() if not lock.locked()]
            for name in free:
                del self._writing[name]
        return self._writing.setdefault(task, asyncio.Lock())


def _series(about: dict[str, Any]) -> str:
    """That of a task; it stays the same when the task is resumed."""
    settings = about.get("checkpoint") or {}
    series = str(settings.get("series") or about["id"])
    if Name.parse(str(Name(series, 0, 0))) is None:  # an id that some client made up
        series = hashlib.sha256(series.encode()).hexdigest()[:12]
    return series
