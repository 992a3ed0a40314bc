"""The small task that is moved: a loop with a handful of variables, some of them containers."""

from __future__ import annotations

__all__ = ["patient_task", "small_task"]


def small_task(rounds: int) -> int:
    """Stir numbers in a list and a dict, for as many rounds (-1: for ever)."""
    seen = [0] * 20
    counts = {"odd": 0, "even": 0}
    total = done = 0
    while done != rounds:
        done += 1
        total = (total * 31 + done) % 1_000_003
        seen[done % 20] = total
        counts["odd" if total & 1 else "even"] += 1
    return total


def patient_task(rounds: int) -> int:
    """The same with pauses, as of a program that waits for something most of the time."""
    import time

    import hetmig

    hetmig.progress(0)
    seen = [0] * 20
    counts = {"odd": 0, "even": 0}
    total = done = 0
    while done != rounds:
        done += 1
        total = (total * 31 + done) % 1_000_003
        seen[done % 20] = total
        counts["odd" if total & 1 else "even"] += 1
        time.sleep(0.05)
    return total
