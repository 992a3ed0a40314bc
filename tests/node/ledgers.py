"""What a task writes down of its rounds, and what may be found there.

Runners import this for what they run: it imports nothing that takes long.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def process() -> int:
    """This process: by its id and, as ids are used again, when it began (clock ticks, Linux)."""
    try:
        stat = os.open("/proc/self/stat", os.O_RDONLY)
    except FileNotFoundError:
        return os.getpid()
    fields = os.read(stat, 1024).rpartition(b")")[2].split()
    os.close(stat)
    return int(fields[19]) * 10_000_000 + os.getpid()


def work(ledger: str, go: str, least: int, ballast: bytes = b"", deaf: float = 0.0) -> list[int]:
    """Write a line per round, at least so many rounds and until the file `go` is there.

    The ballast is there to travel along.  After each line nothing can stop it for `deaf` seconds.
    """
    import threading
    import time

    done = []
    while len(done) < least or not os.path.exists(go):
        done.append(len(done))
        with open(ledger, "a", encoding="utf-8") as file:
            file.write(f"{process()} {len(done)}\n")
        if deaf:
            threading.Event().wait(deaf)
        time.sleep(0.01)
    return done


class Ledger:
    """What the task wrote, whichever process it was in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[tuple[int, int]]:
        """(process, round) in the order of writing."""
        if not self.path.exists():
            return []
        text = self.path.read_text("utf-8")
        whole = text[: text.rfind("\n") + 1]
        return [(int(pid), int(number)) for pid, number in map(str.split, whole.splitlines())]

    def check(self, result: Sequence[int]) -> int:
        """One process at a time, none twice, each from where an earlier one had been; the number
        of rounds that were done again."""
        owners: list[int] = []
        begun: set[int] = set()
        furthest = again = previous = 0
        for pid, number in self.lines():
            if not owners or pid != owners[-1]:
                assert pid not in owners, f"process {pid} goes on after another has begun: {owners}"
                owners.append(pid)
                begun.add(number - 1)
                assert number <= furthest + 1, "rounds were left out"
            else:
                assert number == previous + 1
            again += number <= furthest
            furthest, previous = max(furthest, number), number
        # One that was restarted when all was done but the end writes nothing any more.
        assert len(result) in {previous, *begun}, "the result is not that of the last process"
        assert list(result) == list(range(len(result)))
        return again
