"""Programs for a node that is being drained."""

from __future__ import annotations

import os
import sys

import hetmig


def until_moved() -> str | None:
    """A tight loop that ends on another node than it began on."""
    start = hetmig.here()
    print("waiting", flush=True)
    while hetmig.here() == start:
        pass
    return hetmig.here()


def count(go: str) -> tuple[int, int]:
    """Count rounds until that file is there, and add them up."""
    print("counting", flush=True)
    rounds = total = 0
    while not os.path.exists(go):
        rounds += 1
        total += rounds
    return rounds, total


def held(go: str) -> None:
    """What can't be captured is in the way until that file is there."""
    flags = sys.flags
    print("held", flush=True)
    while not os.path.exists(go):
        assert flags is not None
