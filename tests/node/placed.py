"""Programs and a policy for the tests of placement."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import hetmig
from hetmig.node.placement import Move, Policy


@hetmig.migratable(needs={"zone": "secure"})
def secure(go: str) -> str | None:
    """Counts until that file is there; where it ended."""
    rounds = 0
    while not os.path.exists(go):
        rounds += 1
    return hetmig.here()


@hetmig.migratable(needs={"gpu": 1})
def with_gpu(go: str) -> str | None:
    """The same, with a graphics processor."""
    return secure(go)


@hetmig.migratable(needs={"zone": "secure"})
def leaves_its_zone() -> str:
    """Moves by itself to where it may not be."""
    try:
        hetmig.migrate("c")
    except hetmig.NotMigratable as error:
        return f"{type(error).__name__} at {hetmig.here()}: {error}"
    return "moved"


@hetmig.migratable(needs={"zone": "secure"}, every=0.2)
def kept(go: str) -> tuple[str | None, list[int]]:
    """Writes, and is kept from time to time; where it ended."""
    print("begun", flush=True)
    rounds = [0]
    while not os.path.exists(go):
        rounds[0] += 1
    print("ended", flush=True)
    return hetmig.here(), [min(rounds[0], 1)]


def until_moved(go: str) -> str | None:
    """Until it is on another node than where it began, or that file is there."""
    first = hetmig.here()
    while hetmig.here() == first and not os.path.exists(go):
        pass
    return hetmig.here()


@hetmig.migratable(needs={"zone": "secure"})
class Vault:
    """An actor that is made in a secure zone."""

    def node(self) -> str | None:
        """The node."""
        return hetmig.here()


class Named(Policy):
    """Whatever is called like a node goes there."""

    def __init__(self, fail: bool = False) -> None:
        self.fail = fail

    def decide(self, view: Any) -> Iterable[Move]:
        """A move for each such task."""
        if self.fail:
            raise ZeroDivisionError("an own policy's mistake")
        return [Move(task.id, peer.name) for task in view.tasks for peer in view.peers]
