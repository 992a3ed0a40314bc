"""One task, as its home node knows it: where it is, what it wrote, how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hetmig.errors import HetmigError
from hetmig.node.chronicle import Chronicle
from hetmig.node.handoff import GENERATION
from hetmig.node.itinerary import Itinerary
from hetmig.node.protocol import Buffer, describe_error, want
from hetmig.node.transcript import Transcript
from hetmig.state.manifest import make_manifest
from hetmig.state.parcel import seal

__all__ = ["Outcome", "Record"]


@dataclass
class Outcome:
    """How a task ended: the frozen result or exception, or a description of what became of it."""

    ok: bool
    traceback: str = ""
    error: dict[str, Any] | None = None
    kind: str = "value"
    portable: bool = False
    python: dict[str, Any] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)


class Record:
    """One task, as its home node knows it."""

    def __init__(
        self,
        about: dict[str, Any],
        place: dict[str, Any],
        submitted: float | None = None,
        seen: int = 0,
        deeds: Sequence[str] = (),
    ) -> None:
        """`seen`: events up to this number were seen by the submitter, and are not kept."""
        self.id: str = about["id"]
        self.about = about
        self.submitted = time.time() if submitted is None else submitted
        self.place = place
        self.epoch: int = about["epoch"]
        self.what: str = about.get("what", "task")
        self.state = "kept" if self.what == "object" else "running"
        self.progress: list[Any] | None = None
        self.hops = Itinerary()
        self.chronicle = Chronicle(place["name"])
        self.ended: float | None = None
        """When, by the clock of the node where it was then."""
        self.outcome: Outcome | None = None
        self.unreceived: dict[str, list[int]] | None = None
        """Which messages it had accepted and not received at its end; None: nobody can say."""
        self.checkpoint: dict[str, Any] | None = None
        """The newest one: where it is, and of which epoch."""
        self.checkpoint_key: bytes | None = None
        """What it is sealed with."""
        self.checkpoint_failed = ""
        """Why the last one that was tried after that came to nothing."""
        self.replica: dict[str, Any] | None = None
        """The newest warm copy: its place, of which epoch and number, when, and whether warm."""
        self._replicated = (0, 0)
        self.willed: tuple[str, int] | None = None
        """Which node has got our deeds, should we be lost, and how many."""
        self._reachable = self._responsive = True
        self.is_told = False
        """Whether its submitter has heard of its end."""
        self.fence = 0
        """Epochs below this are of copies that are void: it was restarted from a checkpoint."""
        self.given_up: list[dict[str, Any]] = []
        """Places that may still have such a copy."""
        self.deeds = list(deeds)
        """Secrets of the homes that it has had; the last one is ours.  See `rehoming.deeds`."""
        self.is_closed = False
        """Whether it is on its way to another home: until that is decided, it does not change."""
        self.version = 0
        """Counts changes other than output, so that a follower can say what it has seen."""
        self.output = Transcript(seen)
        self.next_event = seen + 1
        self._early: dict[int, tuple[dict[str, Any], list[bytes]]] = {}
        self._ended: tuple[dict[str, Any], list[bytes]] | None = None
        self._changed = asyncio.Event()

    def summary(self, hops: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """The record as JSON, with these of its hops, or all."""
        is_complete = self.outcome is not None
        return {
            "id": self.id,
            "name": self.about["name"],
            "what": self.what,
            "state": self.state,
            "node": self.place["name"],
            "endpoint": self.place["endpoint"],
            "home": self.about["home"]["name"],
            "submitted": self.submitted,
            "progress": self.progress,
            "checkpoint": self.checkpoint,
            "checkpoint_failed": self.checkpoint_failed,
            "replica": None if self.replica is None else self.replica["place"]["name"],
            "replicated": None if self.replica is None else self.replica["time"],
            "restarts": self.fence // GENERATION,
            "hops": self.hops.all(complete=is_complete) if hops is None else hops,
            "moves": self.hops.total(complete=is_complete),
            "ended": self.ended if is_complete else None,
            "chronicle": self.chronicle.all(),
        }

    def brief(self, hops: int = 1) -> dict[str, Any]:
        """The record as JSON, with so many of its hops, the last ones."""
        return self.summary(self.hops.last(hops, complete=self.outcome is not None))

    def page(self, mark: list[Any]) -> dict[str, Any]:
        """What to tell somebody who knows the hops up to this mark.  Raises ProtocolError."""
        page = self.hops.page(mark, complete=self.outcome is not None)
        return {"task": self.summary(page.hops), "mark": page.mark, "is_last": page.is_last}

    def where(self, mark: list[Any] | None) -> dict[str, Any]:
        """What to tell somebody who asks once, with a mark for its hops, page by page."""
        return {"task": self.brief()} if mark is None else self.page(mark)

    def touch(self) -> None:
        """Something changed: wake those who follow."""
        self.version += 1
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def news(self, after: int, version: int, seconds: float) -> None:
        """Wait until there is output beyond number `after` or another version; not for long."""
        if self.next_event - 1 <= after and version == self.version:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    def told(
        self, after: int, key: bytes, mark: Sequence[Any] = ("", 0)
    ) -> tuple[dict[str, Any], list[Buffer]]:
        """What to tell a follower who has everything up to number `after`, as header and payload,
        and of the hops those up to `mark`.  Raises ProtocolError.

        The end comes with the last piece of output and the last hop, sealed with `key`.
        """
        pieces = self.output.after(after)
        header = {
            **self.page(list(mark)),
            "version": self.version,
            "pieces": [[number, stream] for number, stream, _ in pieces],
            "outcome": None,
        }
        payload: list[Buffer] = [data for *_, data in pieces]
        outcome = self.outcome
        seen = pieces[-1][0] if pieces else after
        if outcome is not None and header["is_last"] and seen >= self.output.last:
            texts = {"ok": outcome.ok, "traceback": outcome.traceback, "error": outcome.error}
            header["outcome"] = texts
            if outcome.frames:
                count, portable = len(outcome.frames), outcome.portable
                manifest = make_manifest(outcome.kind, [], count, portable=portable)
                manifest["python"] = outcome.python
                payload += seal(manifest, outcome.frames, key)
        return header, payload

    def event(self, header: dict[str, Any], payload: list[bytes]) -> None:
        """A numbered event: output, or the end.  Applied in order, each once."""
        number = want(header, "n", int)
        if number >= self.next_event:
            self._early[number] = header, payload
        elif header["what"] == "end" and self._ended is None:
            # It was restarted from a checkpoint, and wrote less than the first time.
            self._ended = header, payload
        while self.next_event in self._early:
            self._apply_next()
        self._conclude()
        self._wake()

    def _apply_next(self) -> None:
        number = min(self._early)
        header, payload = self._early.pop(number)
        if header["what"] == "output":
            self.output.write(number, want(header, "stream", str), b"".join(payload))
        else:
            self._ended = header, payload
        self.next_event = number + 1

    def hop(self, hop: dict[str, Any]) -> None:
        """A completed move."""
        self.hops.add(hop)
        if (place := want(hop, "place", dict, None)) is not None:
            # Its destination says so too; but that may be cut off from here just now.
            self.arrived(want(hop, "epoch", int), place)
        self._conclude()
        self.touch()

    def saved(self, header: dict[str, Any]) -> None:
        """A checkpoint was made, or was not."""
        saved = want(header, "checkpoint", dict, None)
        if saved is not None:
            self.chronicle.saved(saved)
        if saved is None:
            self.checkpoint_failed = want(header, "reason", str)
            self.touch()
        elif self.checkpoint is None or _age(saved) > _age(self.checkpoint):
            self.checkpoint, self.checkpoint_failed = saved, ""
            self.checkpoint_key = bytes.fromhex(want(header, "key", str))
            self.touch()

    @property
    def has_replica(self) -> bool:
        """Whether there is a copy elsewhere than where the task is."""
        return self.replica is not None and self.replica["place"] != self.place

    def replicated(self, header: dict[str, Any], epoch: int) -> None:
        """A copy was brought to another node, or is not wanted any more."""
        replica = want(header, "replica", dict, None)
        age = epoch, want(header, "n", int)
        if age > self._replicated:
            self._replicated, self.replica = age, replica
            self.touch()

    def arrived(self, epoch: int, place: dict[str, Any], hop: dict[str, Any] | None = None) -> None:
        """Under this epoch the task is at that place; `hop` is the move, as told from there."""
        if hop is not None:
            self.hops.told_by_destination(hop)
        is_copied = self.replica is not None and self.replica["place"] == place
        if is_copied and epoch >= self.epoch:
            self.replica = None  # it is the task itself now
            self.touch()
        if epoch > self.epoch:
            self.epoch, self.place = epoch, place
            self._responsive = True
            self._judge()
            self.touch()

    def reach(self, reachable: bool) -> None:
        """Whether the node where it is answers."""
        self._reachable = reachable
        self._judge()

    def beats(self, responsive: bool) -> None:
        """Whether its process answers."""
        self._responsive = responsive
        self._judge()

    def _judge(self) -> None:
        state = "kept" if self.what == "object" else "running"
        if not self._reachable:
            state = "unreachable"
        elif not self._responsive:
            state = "unresponsive"
        if self.outcome is None and self.state != state:
            self.state = state
            self.touch()

    def restart(
        self, epoch: int, place: dict[str, Any], events: int, when: float | None = None
    ) -> None:
        """It goes on from a checkpoint, at a place, with so many events behind it."""
        self.chronicle.restarted(epoch, place["name"], when)
        self.given_up.append(self.place)
        self._make_do()
        self.next_event = max(self.next_event, events + 1)
        self.fence = self.epoch = epoch
        self.place = place
        self.reach(True)
        self.touch()

    def fail(self, state: str, error: HetmigError, when: float | None = None) -> None:
        """It will never end by itself any more."""
        self._make_do()
        if self.outcome is None:
            self.state = state
            self.ended = time.time() if when is None else when
            self.outcome = Outcome(ok=False, error=describe_error(error))
            self.touch()

    def _make_do(self) -> None:
        """Of what is missing nothing will come any more: a node died with its reports.

        If the task has ended all the same, its end is worth more than its journey.
        """
        while self._early:
            self._apply_next()
        self._conclude(complete=False)

    def _conclude(self, complete: bool = True) -> None:
        """Publish the end once every hop before it has been reported: the journey is complete."""
        if self._ended is None or self.outcome is not None:
            return
        header, payload = self._ended
        # after a restart some may be missing: the node that knew of them is gone
        if complete and not self.fence and len(self.hops) < want(header, "hops", int):
            return
        self.ended = want(header, "time", float, None)
        self.outcome = Outcome(
            ok=want(header, "ok", bool),
            traceback=want(header, "traceback", str),
            error=want(header, "error", dict, None),
            kind=want(header, "kind", str, "value"),
            portable=want(header, "portable", bool, False),
            python=want(header, "python", dict),
            frames=payload,
        )
        self.state = "done" if self.outcome.ok else "failed"
        self.touch()


def _age(checkpoint: dict[str, Any]) -> tuple[int, int]:
    return want(checkpoint, "epoch", int), want(checkpoint, "number", int)
