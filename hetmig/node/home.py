"""What the home node keeps of the tasks submitted to it: where they are, what they wrote, the end.

Reports come from whatever node a task is on, perhaps late, twice or out of order.  Output and the
end carry numbers that travel with the task, everything else the epoch; so the record is the same
whatever the way of the reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hetmig.errors import HetmigError, NoSuchObject, TaskLost
from hetmig.node.handoff import GENERATION
from hetmig.node.journal import Journal
from hetmig.node.protocol import Buffer, describe_error, want
from hetmig.node.rehoming.deeds import digest, new_deed
from hetmig.state.manifest import make_manifest
from hetmig.state.parcel import seal

__all__ = ["Closed", "Fenced", "Home", "Outcome", "Record"]

_KEEP_BYTES = 1 << 20
"""Of output which the submitter has seen, this much is kept for others who look later."""
_KEEP_UNSEEN_BYTES = 64 << 20
"""Of output which the submitter has not seen: it may be gone for good, and its task chatty."""
_KEEP_ENDED = 1000
_KEEP_RESULT_BYTES = 1 << 30
"""Of results of ended tasks; beyond that the oldest are forgotten, but never the newest."""
_KEEP_STEPS = 100
"""Of so many hops of a task it is kept where the time went."""
_PIECES, _PIECE_BYTES = 1000, 4 << 20
_FOLLOWED_SECONDS = 12.0
"""A submitter asks for news more often than this."""


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
        self.hops: dict[int, dict[str, Any]] = {}
        self._told_by_destination: dict[int, dict[str, Any]] = {}
        """Moves whose source may have died before it could tell of them."""
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
        self.output: deque[tuple[int, str, bytes]] = deque()
        self._output_bytes = 0
        self._dropped = (0, 0)
        """(number of the last piece dropped unseen, bytes dropped unseen)"""
        self._seen = self.forgotten = seen
        self._last_seen = float("-inf")
        self.next_event = seen + 1
        self._early: dict[int, tuple[dict[str, Any], list[bytes]]] = {}
        self._ended: tuple[dict[str, Any], list[bytes]] | None = None
        self._changed = asyncio.Event()

    def summary(self) -> dict[str, Any]:
        """The record as JSON."""
        # until the end the sources may still tell, and they know better
        missing = {} if self.outcome is None else self._told_by_destination
        hops = {**missing, **self.hops}
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
            "hops": [hops[epoch] for epoch in sorted(hops)],
        }

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

    def pieces(self, after: int) -> list[tuple[int, str, bytes]]:
        """Output beyond number `after`, as much as fits in one answer."""
        chosen: list[tuple[int, str, bytes]] = []
        size = 0
        number, count = self._dropped
        if after < number:
            text = f"[hetmig: {count} bytes of older output are gone: nobody took them]\n"
            chosen.append((number, "stderr", text.encode()))
        for piece in self.output:
            if piece[0] > after and len(chosen) < _PIECES and size < _PIECE_BYTES:
                chosen.append(piece)
                size += len(piece[2])
        return chosen

    def told(self, after: int, key: bytes) -> tuple[dict[str, Any], list[Buffer]]:
        """What to tell a follower who has everything up to number `after`, as header and payload.

        The end comes with the last piece of output, sealed with `key`.
        """
        pieces = self.pieces(after)
        header = {
            "version": self.version,
            "task": self.summary(),
            "pieces": [[number, stream] for number, stream, _ in pieces],
            "outcome": None,
        }
        payload: list[Buffer] = [data for *_, data in pieces]
        last = self.output[-1][0] if self.output else 0
        outcome = self.outcome
        if outcome is not None and (pieces[-1][0] if pieces else after) >= last:
            texts = {"ok": outcome.ok, "traceback": outcome.traceback, "error": outcome.error}
            header["outcome"] = texts
            if outcome.frames:
                count, portable = len(outcome.frames), outcome.portable
                manifest = make_manifest(outcome.kind, [], count, portable=portable)
                manifest["python"] = outcome.python
                payload += seal(manifest, outcome.frames, key)
        return header, payload

    def seen(self, after: int) -> list[int]:
        """A submitter has everything up to number `after`; the numbers of what is dropped."""
        self._seen = max(self._seen, after)
        self._last_seen = time.monotonic()
        gone = []
        while self._output_bytes > _KEEP_BYTES and self.output and self.output[0][0] <= after:
            number, _, piece = self.output.popleft()
            self._output_bytes -= len(piece)
            gone.append(number)
        return gone

    def _write(self, number: int, stream: str, piece: bytes) -> None:
        self.output.append((number, stream, piece))
        self._output_bytes += len(piece)
        while self._output_bytes > _KEEP_UNSEEN_BYTES and len(self.output) > 1:
            oldest, _, piece = self.output.popleft()
            self._output_bytes -= len(piece)
            if oldest > self._seen:
                self._dropped = oldest, self._dropped[1] + len(piece)

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
            self._write(number, want(header, "stream", str), b"".join(payload))
        else:
            self._ended = header, payload
        self.next_event = number + 1

    def hop(self, hop: dict[str, Any]) -> None:
        """A completed move."""
        self.hops[want(hop, "epoch", int)] = hop
        if len(self.hops) > _KEEP_STEPS:  # a journey may be long
            self.hops[sorted(self.hops)[-_KEEP_STEPS - 1]].pop("steps", None)
        self._conclude()
        self.touch()

    @property
    def lacks_output(self) -> bool:
        """Whether some of the output is gone which nobody has taken."""
        return self._dropped[0] > 0

    @property
    def is_followed(self) -> bool:
        """Whether a submitter is there, who takes the output."""
        return time.monotonic() - self._last_seen < _FOLLOWED_SECONDS

    def unseen(self, number: int) -> list[tuple[str, bytes]]:
        """Output up to this number which no submitter has confirmed, as (stream, piece)."""
        pieces = [piece for piece in self.output if self._seen < piece[0] <= number]
        return [(stream, data) for _, stream, data in pieces]

    def saved(self, header: dict[str, Any]) -> None:
        """A checkpoint was made, or was not."""
        saved = want(header, "checkpoint", dict, None)
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
            self._told_by_destination[want(hop, "epoch", int)] = hop
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

    def restart(self, epoch: int, place: dict[str, Any], events: int) -> None:
        """It goes on from a checkpoint, at a place, with so many events behind it."""
        self.given_up.append(self.place)
        self._make_do()
        self.next_event = max(self.next_event, events + 1)
        self.fence = self.epoch = epoch
        self.place = place
        self.reach(True)
        self.touch()

    def fail(self, state: str, error: HetmigError) -> None:
        """It will never end by itself any more."""
        self._make_do()
        if self.outcome is None:
            self.state = state
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


class Closed(HetmigError):
    """A report for a record that is on its way to another home: it has to be sent again."""


class Fenced(HetmigError):
    """A report of a copy of a task that was restarted from a checkpoint since."""


class Home:
    """All records of one home node."""

    def __init__(self, journal: Journal) -> None:
        self.records: dict[str, Record] = {}
        self._journal = journal

    def recover(self, taken: Mapping[str, Record]) -> None:
        """Everything as it was before this node was killed.  Raises JournalError.

        `taken` are records as they came from other nodes, to which the reports since are added.
        """
        for row in self._journal.records():
            task = row["about"]["id"]
            record = self.records[task] = Record(**row)
            if (before := taken.get(task)) is not None:
                before.about, before.deeds = record.about, record.deeds
                before.forgotten = record.forgotten
                before.next_event = max(before.next_event, record.next_event)
                record = self.records[task] = before
            for kept in self._journal.reports(task):
                with contextlib.suppress(Fenced):
                    self._apply(kept.header, kept.payload)

    def add(self, about: dict[str, Any], place: dict[str, Any]) -> Record:
        """A task was submitted here.  The oldest ended ones are forgotten beyond a number."""
        known = [record for record in self.records.values() if not record.is_closed]
        ended = [record for record in known if record.outcome is not None]
        sizes = [sum(map(len, record.outcome.frames)) for record in ended if record.outcome]
        excess, results = len(ended) - _KEEP_ENDED, sum(sizes)
        for index, (record, size) in enumerate(zip(ended[:-1], sizes, strict=False)):
            if index >= excess and results <= _KEEP_RESULT_BYTES:
                break
            results -= size
            self.drop(record.id)
        deed = new_deed()
        about.update(term=1, deed=digest(deed))
        record = Record(about, place, deeds=[deed])
        self.adopt(record)
        return record

    def adopt(self, record: Record) -> None:
        """This node is the home of a task from now on, with the journal's next `sync`."""
        self.records[record.id] = record
        self._journal.keep_record(record.id, _row(record))

    def drop(self, task: str) -> None:
        """Forget a task."""
        del self.records[task]
        self._journal.forget_record(task)
        self._journal.drop_taken(task)

    def find(self, task: str) -> Record:
        """The record of a task.  Raises TaskLost if there is none."""
        try:
            return self.records[task]
        except KeyError:
            raise TaskLost(f"this node knows no task {task}") from None

    def keep(self, header: dict[str, Any], payload: Sequence[Buffer]) -> None:
        """Keep a report with the journal's next `sync`."""
        task, what = want(header, "task", str), want(header, "what", str)
        if what not in ("progress", "pulse") and task in self.records:
            number = header["epoch"] if header.get("n") is None else header["n"]
            if what == "replica":
                number = "newest"  # there is one every few seconds
            self._journal.keep_report(task, f"{what}/{number}", header, payload)

    def report(self, header: dict[str, Any], payload: Sequence[Buffer]) -> None:
        """A node reports.  Raises ProtocolError or TaskLost for what makes no sense."""
        self._apply(header, payload)
        self.keep(header, payload)

    def seen(self, record: Record, after: int) -> None:
        """A submitter has everything up to number `after`: old output need not be kept."""
        if gone := record.seen(after):
            self._journal.drop_reports(record.id, [f"output/{number}" for number in gone])
            record.forgotten = gone[-1]
            self._journal.keep_record(record.id, _row(record))

    def _apply(self, header: dict[str, Any], payload: Sequence[Buffer]) -> None:
        record = self.find(want(header, "task", str))
        if record.is_closed:
            raise Closed(f"the record of task {record.id} is on its way to another node")
        epoch = want(header, "epoch", int)
        if epoch < record.fence:
            raise Fenced("this copy of the task is void", epoch=record.fence)
        if "unreceived" in header:
            record.unreceived = want(header, "unreceived", dict)
        match want(header, "what", str):
            case "arrived" | "hop" | "restarted" | "fenced":
                self._apply_move(record, epoch, header)
            case "output" | "end":
                record.event(header, [bytes(frame) for frame in payload])
            case "checkpoint":
                record.saved(header)
            case "replica":
                record.replicated(header, epoch)
            case "pulse" if epoch >= record.epoch:
                record.beats(want(header, "responsive", bool))
            case "progress":
                record.progress = want(header, "progress", list)
                record.touch()
            case "cancelled":
                if record.what == "object":
                    record.fail("deleted", NoSuchObject("the object was deleted"))
                record.fail("cancelled", TaskLost(f"the {record.what} was cancelled"))
            case "lost" if epoch >= record.epoch:
                record.fail("lost", TaskLost(want(header, "reason", str)))

    def _apply_move(self, record: Record, epoch: int, header: dict[str, Any]) -> None:
        match header["what"]:
            case "hop":
                hop = want(header, "hop", dict)
                record.hop(hop)
                if (place := want(hop, "place", dict, None)) is not None:
                    # Its destination says so too; but that may be cut off from here just now.
                    record.arrived(want(hop, "epoch", int), place)
            case "arrived":
                record.arrived(epoch, want(header, "place", dict), want(header, "hop", dict, None))
            case "restarted":
                record.restart(epoch, want(header, "place", dict), want(header, "events", int))
            case "fenced":
                fenced = want(header, "place", dict)
                record.given_up = [place for place in record.given_up if place != fenced]


def _row(record: Record) -> dict[str, Any]:
    return {
        "about": record.about,
        "place": record.place,
        "submitted": record.submitted,
        "seen": record.forgotten,
        "deeds": record.deeds,
    }


def _age(checkpoint: dict[str, Any]) -> tuple[int, int]:
    return want(checkpoint, "epoch", int), want(checkpoint, "number", int)
