"""Records of tasks as a home node tells them, made up."""

from __future__ import annotations

from typing import Any

PYTHON = {
    "implementation": "cpython",
    "version": "3.11.7",
    "bits": 64,
    "byteorder": "little",
    "machine": "x86_64",
    "system": "Linux",
}
FOREIGN = {**PYTHON, "version": "3.12.1", "machine": "s390x", "byteorder": "big"}
STEPS = [
    ["source", "capture", 0.125],
    ["source", "seal", 0.0625],
    ["link", "offer", 0.0625],
    ["destination", "record", 0.03125],
    ["destination", "rebuild", 0.125],
    ["source", "record", 0.03125],
    ["link", "commit", 0.03125],
    ["destination", "start", 0.015625],
    ["destination", "record", 0.015625],
]


def hop(
    epoch: int, source: str, destination: str, start: float, freeze: float, **more: Any
) -> dict[str, Any]:
    pythons = {"b": FOREIGN}
    return {
        "task": "t",
        "epoch": epoch,
        "source": source,
        "destination": destination,
        "requested_by": "client",
        "start_time": start,
        "freeze_s": freeze,
        "wait_s": 0.01,
        "bytes": 1000,
        "frames": 2,
        "function": "job",
        "file": "/home/me/job.py",
        "line": 7,
        "source_python": pythons.get(source, PYTHON),
        "destination_python": pythons.get(destination, PYTHON),
        "steps": STEPS,
        **more,
    }


def summary(
    id: str = "t",
    *,
    hops: list[dict[str, Any]] | None = None,
    restarts: list[dict[str, Any]] | None = None,
    checkpoints: list[dict[str, Any]] | None = None,
    older: int = 0,
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": id,
        "name": "job",
        "what": "task",
        "state": "done",
        "node": "a",
        "home": "a",
        "submitted": 100.0,
        "ended": 130.0,
        "progress": None,
        "hops": hops or [],
        "chronicle": {
            "checkpoints": checkpoints or [],
            "older": older,
            "restarts": restarts or [],
        },
        **more,
    }


def checkpoint(number: int, time: float, node: str = "a") -> dict[str, Any]:
    times = {"time": time, "freeze_s": 0.01, "total_s": 0.2}
    return {"number": number, "epoch": 1, "node": node, "bytes": 4096, **times}


EVIL = "<script>alert(1)</script>\"'&\u202e\x1b[31m\x00"


def eventful() -> list[dict[str, Any]]:
    """Tasks with all that can befall them, and names that nobody would give."""
    moved = [hop(2, "a", "b", 110.0, 0.5), hop(3, "b", EVIL, 118.0, 0.25, function=EVIL, file=EVIL)]
    many = [
        hop(i, "a" if i % 2 else "b", "b" if i % 2 else "a", 100 + i, 0.03) for i in range(1, 30)
    ]
    lost = [{"epoch": 99, "node": "c", "time": 125.0}]
    kept = [checkpoint(number, 101.0 + number) for number in range(5)]
    return [
        summary("one", name=EVIL, hops=moved, checkpoints=kept, node=EVIL),
        summary("two", name="to and fro", hops=many, submitted=101.0),
        summary("three", hops=moved[:1], restarts=lost, node="c", state="lost"),
        summary("four", state="running", ended=None, progress=[3, 4, EVIL], submitted=128.0),
        summary("five", what="object", state="kept", ended=None, submitted=129.0),
        summary("six", hops=[hop(2, "a", "b", 120.0, 0.1, steps=[])], submitted=120.0, ended=120.1),
        *(summary(f"n{i}", submitted=100.0 + i, ended=100.5 + i) for i in range(24)),
    ]
