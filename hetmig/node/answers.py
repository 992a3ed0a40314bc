"""Answers to calls and requests, as one message: their headers, and the frames of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from hetmig.node.mailbox import Answer
from hetmig.state.manifest import make_manifest
from hetmig.state.parcel import Parcel

__all__ = ["Told", "told_answers"]

Told: TypeAlias = tuple[dict[str, Any], Parcel | None]

_MOST_BYTES = 256 << 20
"""Of answers told at once; the others are told when these have been received."""


def told_answers(found: Mapping[int, Answer]) -> Told:
    """As many of the answers as fit, the first one in any case."""
    answers: list[dict[str, Any]] = []
    frames: list[Any] = []
    size = 0
    for number, answer in found.items():
        size += sum(memoryview(frame).nbytes for frame in answer.frames)
        if answers and (size > _MOST_BYTES or len(frames) + len(answer.frames) > 2000):
            break
        answers.append({**answer.header, "n": number, "frames": len(answer.frames)})
        frames += [memoryview(frame) for frame in answer.frames]
    manifest = make_manifest("value", [], len(frames))
    return {"answers": answers}, Parcel(manifest, frames, True) if frames else None
