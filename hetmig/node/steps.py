"""The steps of a handoff, of a task or its record, so that tests can let the process die at one.

`HETMIG_DIE_AT=STEP[/DETAIL][*N]` in a node's or runner's environment ends that process by SIGKILL
when it comes to that step (for the N-th time).
"""

from __future__ import annotations

import os
import signal

__all__ = ["HOME_STEPS", "REPLICA_STEPS", "STEPS", "step"]

STEPS = (
    "freeze", "frozen", "encoded", "offer", "receive", "verified", "confirmed", "staging",
    "image-written", "record", "recorded", "staged", "commit", "run", "owned", "depart", "gone",
)  # fmt: skip
"""All there are of a task's handoff."""
HOME_STEPS = (
    "home-begin", "home-offer", "home-received", "home-record", "home-recorded", "home-answer",
    "home-heard", "home-gone",
)  # fmt: skip
"""Those of the hand-over of its record."""
REPLICA_STEPS = ("replica-decided", "replica-taken")
"""Those of a replica that takes over."""


def _armed() -> tuple[str, str, int] | None:
    wish = os.environ.get("HETMIG_DIE_AT", "")
    if not wish:
        return None
    place, _, times = wish.partition("*")
    name, _, detail = place.partition("/")
    if name not in STEPS + HOME_STEPS + REPLICA_STEPS:
        raise ValueError(f"HETMIG_DIE_AT={wish}: no step is called {name!r}")
    return name, detail, int(times or 1)


_death = _armed()


def step(name: str, detail: str = "") -> None:
    """This process has come to a step."""
    if _death is not None:
        _die(name, detail)


def _die(name: str, detail: str) -> None:
    global _death
    assert _death is not None
    wanted, about, times = _death
    if name != wanted or about not in ("", detail):
        return
    if times > 1:
        _death = wanted, about, times - 1
        return
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
