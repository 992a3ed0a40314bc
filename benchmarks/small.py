"""The small task that is moved: a loop with a handful of variables, some of them containers."""

from __future__ import annotations

__all__ = [
    "clocked_task",
    "collecting_task",
    "counted_task",
    "listening_task",
    "patient_task",
    "small_task",
]


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


def clocked_task(moves: int) -> list[float]:
    """The same until it was moved so often; for how long it stood still each time.

    Of two processes on one machine the monotonic clock is the same (Linux); it is not of two
    machines.
    """
    import os
    import time

    seen = [0] * 20
    counts = {"odd": 0, "even": 0}
    total = done = 0
    gaps: list[float] = []
    process, last = os.getpid(), time.monotonic()
    while len(gaps) < moves:
        done += 1
        total = (total * 31 + done) % 1_000_003
        seen[done % 20] = total
        counts["odd" if total & 1 else "even"] += 1
        now = time.monotonic()
        if os.getpid() != process:
            gaps.append(now - last)
            process = os.getpid()
        last = now
    return gaps


def counted_task(enough: str) -> tuple[int, int, int]:
    """Until that file is there: the rounds done, a checksum of them, and in how many processes."""
    import os
    import time

    total = done = 0
    process, processes = os.getpid(), 1
    while done % 100 or not os.path.exists(enough):
        total = (total * 31 + done) % 1_000_003
        done += 1
        if os.getpid() != process:
            process, processes = os.getpid(), processes + 1
        time.sleep(0.0005)
    return done, total, processes


def collecting_task(count: int) -> list[object]:
    """Receive so many messages."""
    import hetmig

    return [hetmig.receive() for _ in range(count)]


def listening_task() -> None:
    """Receive messages until one is None."""
    import hetmig

    while hetmig.receive() is not None:
        pass
