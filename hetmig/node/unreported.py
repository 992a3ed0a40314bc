"""Reports that the home node has not acknowledged travel with the task: nothing of it stays behind.

The source may end for good once the destination owns the task.  What comes twice is taken once.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from hetmig.errors import ProtocolError
from hetmig.node.protocol import Buffer, Message, want
from hetmig.state import parcel

__all__ = ["Report", "disclose", "enclose"]

_ENTRY = "unreported"
_MOST_BYTES = 8 << 20
"""More than that is not carried along: it must reach the home node from here."""


class Report(NamedTuple):
    """A report, as it was sent."""

    header: dict[str, Any]
    payload: Sequence[Buffer]


def enclose(
    frozen: Message, about: dict[str, Any], reports: Sequence[Report]
) -> tuple[Message, dict[str, Any]]:
    """Frozen state and record of a task, with these reports."""
    chosen, size = [], 0
    for report in reports:
        size += sum(len(frame) for frame in report.payload)
        if size <= _MOST_BYTES:
            chosen.append(report)
    if not chosen:
        return frozen, about
    frames = [frame for report in chosen for frame in report.payload]
    data = parcel.join(parcel.seal({}, frames, None))
    described = [[report.header, len(report.payload)] for report in chosen]
    payload: list[Buffer] = [*frozen.payload, data]
    return dataclasses.replace(frozen, payload=payload), {**about, _ENTRY: described}


def disclose(about: dict[str, Any], frames: list[Any]) -> tuple[list[Any], list[Report]]:
    """Take out what `enclose` put in.  Raises ProtocolError or ParcelError."""
    described = about.pop(_ENTRY, None)
    if described is None:
        return frames, []
    want({_ENTRY: described}, _ENTRY, list)
    if not frames:
        raise ProtocolError("the parcel lacks the reports which its record names")
    *frames, data = frames
    rest = [bytes(frame) for frame in parcel.open_sealed(parcel.split(data), None).frames]
    reports = []
    for item in described:
        header, count = _checked(item, about["id"])
        reports.append(Report(header, rest[:count]))
        rest = rest[count:]
    return frames, reports


def _checked(item: Any, task: str) -> tuple[dict[str, Any], int]:
    if isinstance(item, list) and len(item) == 2:
        header, count = item
        if isinstance(header, dict) and type(count) is int and header.get("task") == task:
            want(header, "what", str)
            want(header, "epoch", int)
            return header, count
    raise ProtocolError("a report that came with the task is none of this task")


def provisional(hop: dict[str, Any]) -> dict[str, Any]:
    """A hop as its destination knows it, for the case that the source can't tell any more.

    The time of the freeze is then by the clocks of two machines.
    """
    return {**hop, "freeze_s": max(time.time() - hop["start_time"], 0.0)}
