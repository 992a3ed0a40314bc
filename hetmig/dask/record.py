"""What scheduler, workers and client tell each other about a task that moves."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from distributed.protocol import to_serialize

from hetmig.node.protocol import Buffer, Message, nbytes

__all__ = ["PLUGIN", "Move", "Settings", "State", "fresh_record", "move_of"]

PLUGIN = "hetmig"
"""The name of the plugins, and of the topic of Dask's events."""


@dataclass(frozen=True)
class Settings:
    """What `install` was told."""

    checkpoints: str | None = None
    """Directory or URL."""
    every: float | None = None
    """Seconds between two checkpoints, of tasks that don't say."""
    patience: float = 10.0
    """Seconds for finding a safe point."""
    grace: float = 4.0
    """The same, in a worker that closes: a nanny kills it some 8 s after SIGTERM."""
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    """Authenticates the checkpoints of this cluster."""

    @property
    def told(self) -> dict[str, Any]:
        """What the user has chosen."""
        chosen = asdict(self)
        del chosen["secret"]
        return chosen


@dataclass(frozen=True)
class Move:
    """One move of a running task."""

    key: str
    source: str
    """Address of the worker."""
    destination: str
    bytes: int
    wait_s: float
    """From the request to the safe point; the task was running."""
    freeze_s: float
    """From there until the destination had it and the scheduler knew."""
    function: str
    line: int


@dataclass
class State:
    """A frozen task: what `protocol.STAGE` brings to a runner."""

    manifest: dict[str, Any]
    frames: Sequence[Buffer]

    @property
    def about(self) -> dict[str, Any]:
        """The task's record."""
        about: dict[str, Any] = self.manifest["task"]
        return about

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return sum(map(nbytes, self.frames))

    def wire(self) -> dict[str, Any]:
        """As arguments of a remote call of Dask's: frames are not copied."""
        frames = [to_serialize(memoryview(frame)) for frame in self.frames]
        return {"manifest": json.dumps(self.manifest), "frames": frames}

    @classmethod
    def of_wire(cls, manifest: str, frames: Sequence[Any]) -> State:
        """From the arguments of such a call."""
        return cls(json.loads(manifest), [memoryview(frame) for frame in frames])


def fresh_record(name: str, mark: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a task which has not begun."""
    return {
        "id": secrets.token_hex(6),
        "name": name,
        "what": "task",
        "argv": [],
        "file": "",
        "directory": "",
        "files": mark.get("files"),
        "every": mark.get("every"),
        "events": 0,
        "hops": 0,
        "epoch": 1,
        "home": {},
    }


def move_of(frozen: Message, key: object, source: str, destination: str, size: int) -> Move:
    """The record of a move that ends now."""
    header = frozen.header
    stood = header["description"][-1] if header["description"] else {}
    return Move(
        str(key),
        source,
        destination,
        size,
        max(header["started"] - header.get("requested", header["started"]), 0.0),
        time.monotonic() - header["started"],
        str(stood.get("function", "")),
        int(stood.get("line", 0)),
    )
