"""What the home node keeps of the tasks submitted to it, and how reports change it.

Reports come from whatever node a task is on, perhaps late, twice or out of order.  Output and the
end carry numbers that travel with the task, everything else the epoch; so the record is the same
whatever the way of the reports.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from hetmig.errors import HetmigError, NoSuchObject, TaskLost
from hetmig.node.journal import Journal
from hetmig.node.protocol import Buffer, want
from hetmig.node.record import Record
from hetmig.node.recorded import Records
from hetmig.node.rehoming.deeds import digest, new_deed

__all__ = ["Closed", "Fenced", "Home"]

_KEEP_ENDED = 1000
_KEEP_RESULT_BYTES = 1 << 30
"""Of results of ended tasks; beyond that the oldest are forgotten, but never the newest."""


class Closed(HetmigError):
    """A report for a record that is on its way to another home: it has to be sent again."""


class Fenced(HetmigError):
    """A report of a copy of a task that was restarted from a checkpoint since."""


class Home:
    """All records of one home node."""

    def __init__(self, journal: Journal) -> None:
        self.records = Records()
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
                before.output.forgotten = record.output.forgotten
                before.next_event = max(before.next_event, record.next_event)
                record = self.records[task] = before
            for kept in self._journal.reports(task):
                with contextlib.suppress(Fenced):
                    self._apply(kept.header, kept.payload)

    def add(self, about: dict[str, Any], place: dict[str, Any]) -> Record:
        """A task was submitted here.  The oldest ended ones are forgotten beyond a number."""
        for old in self.records.excess(_KEEP_ENDED, _KEEP_RESULT_BYTES):
            self.drop(old)
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
        if gone := record.output.seen(after):
            self._journal.drop_reports(record.id, [f"output/{number}" for number in gone])
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
        what = want(header, "what", str)
        match what:
            case "arrived" | "hop" | "restarted" | "fenced":
                self._apply_move(record, epoch, header)
            case "output" | "end":
                record.event(header, [bytes(frame) for frame in payload])
            case "checkpoint":
                record.saved(header)
            case "replica":
                record.replicated(header, epoch)
            case "progress":
                record.progress = want(header, "progress", list)
                record.touch()
            case "cancelled":
                when = want(header, "time", float, None)
                if record.what == "object":
                    record.fail("deleted", NoSuchObject("the object was deleted"), when)
                record.fail("cancelled", TaskLost(f"the {record.what} was cancelled"), when)
            case "pulse" | "lost" if epoch >= record.epoch:
                self._apply_health(record, what, header)

    def _apply_health(self, record: Record, what: str, header: dict[str, Any]) -> None:
        if what == "pulse":
            record.beats(want(header, "responsive", bool))
        else:
            lost = TaskLost(want(header, "reason", str))
            record.fail("lost", lost, want(header, "time", float, None))

    def _apply_move(self, record: Record, epoch: int, header: dict[str, Any]) -> None:
        match header["what"]:
            case "hop":
                record.hop(want(header, "hop", dict))
            case "arrived":
                place, hop = want(header, "place", dict), want(header, "hop", dict, None)
                if hop is None and epoch > record.epoch:  # not a move: its node was killed
                    when = want(header, "time", float, None)
                    record.chronicle.restarted(epoch, want(place, "name", str), when)
                record.arrived(epoch, place, hop)
            case "restarted":
                place, when = want(header, "place", dict), want(header, "time", float, None)
                record.restart(epoch, place, want(header, "events", int), when)
            case "fenced":
                fenced = want(header, "place", dict)
                record.given_up = [place for place in record.given_up if place != fenced]


def _row(record: Record) -> dict[str, Any]:
    return {
        "about": record.about,
        "place": record.place,
        "submitted": record.submitted,
        "seen": record.output.forgotten,
        "deeds": record.deeds,
    }
