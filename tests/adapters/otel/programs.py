"""What the traced tasks do."""

from __future__ import annotations

import os

import hetmig


def wander() -> str:
    """Is kept, is moved, and ends."""
    hetmig.receive()
    hetmig.receive()
    return os.environ["TRACEPARENT"]


def stay() -> None:
    hetmig.receive()


def fail() -> None:
    raise ValueError("on purpose")


def traceparent() -> str | None:
    return os.environ.get("TRACEPARENT")
