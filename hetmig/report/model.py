"""What a report tells: of each task where it was and when, and what all of them come to."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hetmig.journey import Hop, Step

__all__ = ["ALIVE", "Lane", "Report", "Restart", "Saved", "Stay", "Story", "steps_of"]

ALIVE = ("running", "kept", "unreachable", "unresponsive")
_STEPS = (
    ("source", "capture"), ("source", "prepare"), ("source", "seal"), ("source", "send"),
    ("link", "offer"), ("destination", "verify"), ("destination", "runner"),
    ("destination", "record"), ("destination", "answer"), ("destination", "rebuild"),
    ("destination", "keep"),
    ("source", "record"), ("link", "commit"), ("destination", "start"), ("destination", "confirm"),
)  # fmt: skip
"""In the order in which they come."""


class Stay(NamedTuple):
    """A task was at a node.  Times in seconds since the epoch, by the clocks of the nodes."""

    node: str
    begin: float
    end: float
    left: str
    """How it ended: "moved", "restarted" (its node was lost), "ended", or "" if it has not."""


class Restart(NamedTuple):
    """A task's node was lost, and the task began again."""

    node: str
    """Where it went on."""
    time: float | None
    epoch: int


class Saved(NamedTuple):
    """A checkpoint was made."""

    number: int
    node: str
    time: float
    bytes: int
    freeze_s: float
    total_s: float


@dataclass(frozen=True)
class Story:
    """What became of one task, actor or object."""

    id: str
    name: str
    what: str
    state: str
    home: str
    node: str
    begin: float
    end: float
    """When it ended, or the report was made."""
    progress: tuple[float, float | None, str] | None
    stays: tuple[Stay, ...]
    hops: tuple[Hop, ...]
    checkpoints: tuple[Saved, ...]
    older: int
    """Checkpoints before those, of which nothing else is known any more."""
    restarts: tuple[Restart, ...]

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.state in ALIVE

    @property
    def frozen_s(self) -> float:
        """Seconds for which it stood still to move."""
        return sum(hop.freeze_s for hop in self.hops)

    @property
    def bytes(self) -> int:
        """Sizes of its parcels."""
        return sum(hop.bytes for hop in self.hops)

    @classmethod
    def of(cls, summary: Mapping[str, Any], now: float) -> Story:
        """From what its home node keeps."""
        hops = tuple(Hop.from_json(hop) for hop in summary["hops"])
        told = summary.get("chronicle") or {"checkpoints": [], "older": 0, "restarts": []}
        restarts = tuple(Restart(r["node"], r["time"], r["epoch"]) for r in told["restarts"])
        saved = tuple(_saved(entry) for entry in told["checkpoints"])
        begin = summary["submitted"]
        if begin is None:
            begin = min((hop.start_time for hop in hops), default=now)
        is_alive = summary["state"] in ALIVE
        end = now if is_alive else summary.get("ended")
        if end is None:
            end = max([begin, *(hop.start_time + hop.freeze_s for hop in hops)])
        stays = tuple(_stays(summary, hops, restarts, begin, end))
        progress = summary["progress"]
        return cls(
            id=summary["id"],
            name=summary["name"],
            what=summary["what"],
            state=summary["state"],
            home=summary["home"],
            node=summary["node"],
            begin=stays[0].begin,
            end=max(end, stays[-1].end),
            progress=None if progress is None else (progress[0], progress[1], progress[2]),
            stays=stays,
            hops=hops,
            checkpoints=saved,
            older=told["older"],
            restarts=restarts,
        )


def _saved(entry: Mapping[str, Any]) -> Saved:
    numbers: dict[str, Any] = {item: entry.get(item) or 0 for item in Saved._fields}
    return Saved(**{**numbers, "node": str(entry.get("node") or "")})


def _stays(
    summary: Mapping[str, Any],
    hops: Sequence[Hop],
    restarts: Sequence[Restart],
    begin: float,
    end: float,
) -> Iterator[Stay]:
    """One after the other; the clocks of nodes may disagree, their order does not."""
    changes: list[tuple[int, Hop | Restart]] = [(hop.epoch, hop) for hop in hops]
    changes += [(restart.epoch, restart) for restart in restarts]
    changes.sort(key=lambda change: change[0])
    first = changes[0][1] if changes else None
    began = (summary.get("chronicle") or {}).get("begun_at") or summary["home"]
    node = first.source if isinstance(first, Hop) else began if first else summary["node"]
    if first is not None:
        begin = min(begin, _when(first, begin))
    for _, change in changes:
        left = max(_when(change, begin), begin)
        yield Stay(node, begin, left, "moved" if isinstance(change, Hop) else "restarted")
        begin = left + (change.freeze_s if isinstance(change, Hop) else 0.0)
        node = change.destination if isinstance(change, Hop) else change.node
    yield Stay(node, begin, max(begin, end), "" if summary["state"] in ALIVE else "ended")


def _when(change: Hop | Restart, otherwise: float) -> float:
    when = change.start_time if isinstance(change, Hop) else change.time
    return otherwise if when is None else when


@dataclass
class Lane:
    """A node, and what it had to do with the tasks of a report."""

    name: str
    python: dict[str, Any] = field(default_factory=dict)
    """As `Hop.source_python`; empty if nobody knows."""
    tasks: int = 0
    busy_s: float = 0.0
    moves_in: int = 0
    moves_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def words(self) -> str:
        """Its Python, processor and system."""
        if not self.python:
            return ""
        name = str(self.python.get("implementation", "cpython"))
        name = "CPython" if name == "cpython" else name
        parts = [f"{name} {self.python.get('version', '')}", str(self.python.get("machine", ""))]
        parts.append(str(self.python.get("system", "")))
        return ", ".join(part for part in parts if part)


@dataclass
class Report:
    """Tasks and the nodes they were on, as of a moment.  Made by `Nodes.report`."""

    asked: str
    """Name of the node that told all this."""
    made: float
    """When, in seconds since the epoch by the clock of who asked."""
    stories: list[Story]
    lanes: list[Lane]

    @classmethod
    def of(
        cls,
        asked: str,
        summaries: Iterable[Mapping[str, Any]],
        pythons: Mapping[str, dict[str, Any] | None],
        now: float | None = None,
    ) -> Report:
        """From what a home node keeps of tasks, and what is known of nodes now."""
        now = time.time() if now is None else now
        stories = sorted((Story.of(s, now) for s in summaries), key=lambda s: (s.begin, s.id))
        return cls(asked, now, stories, _lanes(stories, pythons))

    @property
    def begin(self) -> float:
        """When the first of the tasks began."""
        return min((story.begin for story in self.stories), default=self.made)

    @property
    def end(self) -> float:
        """When the last of them ended, or now."""
        return max((story.end for story in self.stories), default=self.made)

    @property
    def hops(self) -> list[Hop]:
        """All moves, oldest first."""
        hops = [hop for story in self.stories for hop in story.hops]
        return sorted(hops, key=lambda hop: hop.start_time)

    def totals(self) -> dict[str, Any]:
        """What all of it comes to, as plain numbers."""
        freezes = [hop.freeze_s for hop in self.hops]
        tasks = [story for story in self.stories if story.what != "object"]
        return {
            "tasks": len(self.stories),
            "alive": sum(story.is_alive for story in self.stories),
            "nodes": len(self.lanes),
            "moves": len(freezes),
            "bytes": sum(story.bytes for story in self.stories),
            "lived_s": sum(story.end - story.begin for story in tasks),
            "frozen_s": sum(freezes),
            "median_freeze_s": statistics.median(freezes) if freezes else 0.0,
            "longest_freeze_s": max(freezes, default=0.0),
            "checkpoints": sum(len(s.checkpoints) + s.older for s in self.stories),
            "restarts": sum(len(story.restarts) for story in self.stories),
        }

    def steps(self) -> list[tuple[str, str, float]]:
        """Where the freezes went, all moves together: side, step, seconds, in order."""
        seconds: dict[tuple[str, str], float] = {}
        for hop in self.hops:
            for side, step, lasted in steps_of(hop):
                seconds[side, step] = seconds.get((side, step), 0.0) + lasted
        order = {key: place for place, key in enumerate(_STEPS)}
        found = sorted(seconds.items(), key=lambda item: order.get(item[0], len(order)))
        return [(side, step, lasted) for (side, step), lasted in found]

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        stories = []
        for story in self.stories:
            told = asdict(story) | {"hops": [hop.to_json() for hop in story.hops]}
            for name in ("stays", "checkpoints", "restarts"):
                told[name] = [entry._asdict() for entry in getattr(story, name)]
            stories.append(told)
        return {
            "asked": self.asked,
            "made": self.made,
            "totals": self.totals(),
            "tasks": stories,
            "nodes": [asdict(lane) for lane in self.lanes],
        }

    def html(self) -> str:
        """A page that needs nothing but itself."""
        from hetmig.report.page import page

        return page(self)

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Write the page to a file; its path.  Raises OSError."""
        path = Path(file)
        path.write_text(self.html(), "utf-8")
        return path


def steps_of(hop: Hop) -> list[Step]:
    """Its steps; the second "record" of the destination, after "start", is called "confirm"."""
    names = [step.step for step in hop.steps]
    after = names.index("start") if "start" in names else len(names)
    return [
        step._replace(step="confirm") if place > after and step.step == "record" else step
        for place, step in enumerate(hop.steps)
    ]


def _lanes(stories: Sequence[Story], pythons: Mapping[str, dict[str, Any] | None]) -> list[Lane]:
    lanes: dict[str, Lane] = {}

    def lane(name: str) -> Lane:
        return lanes.setdefault(name, Lane(name, dict(pythons.get(name) or {})))

    for story in stories:
        for name in {stay.node: None for stay in story.stays}:
            lane(name).tasks += 1
        for stay in story.stays:
            lane(stay.node).busy_s += stay.end - stay.begin
        for hop in story.hops:
            source, destination = lane(hop.source), lane(hop.destination)
            source.python = source.python or hop.source_python
            destination.python = destination.python or hop.destination_python
            source.moves_out, source.bytes_out = source.moves_out + 1, source.bytes_out + hop.bytes
            destination.moves_in += 1
            destination.bytes_in += hop.bytes
    return list(lanes.values())
