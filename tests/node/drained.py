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


def until_away_from(name: str) -> str | None:
    """Moves wherever it is told, and ends elsewhere than at that node."""
    print("waiting", flush=True)
    seen = 0
    while hetmig.here() == name or seen < 200_000:
        seen += 1
    return hetmig.here()


def held_away_from(name: str, go: str) -> None:
    """Moves once, and then can't be captured until that file is there."""
    print("waiting", flush=True)
    while hetmig.here() == name:
        pass
    flags = sys.flags
    print("held", flush=True)
    while not os.path.exists(go):
        assert flags is not None


def moves_to(name: str) -> str | None:
    """Moves by itself; if somebody else moves it just then, again."""
    while hetmig.here() != name:
        try:
            hetmig.migrate(name)
        except hetmig.NotMigratable:
            pass
    return hetmig.here()


def in_a_c_call(fifo: str) -> str:
    """Waits within the C function `open`, where it can't be captured."""
    os.mkfifo(fifo)
    print("blocked", flush=True)
    with open(fifo) as file:
        text = file.read()
    del file
    return text


class NotAtFirst:
    """Can't be put back by the first runner that tries; `marker` is a file which says so."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.marker,)


def _rebuilt(marker: str) -> NotAtFirst:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return NotAtFirst(marker)
    raise ValueError("not at the first node")


def until_moved_but_not_at_first(marker: str) -> str | None:
    """As `until_moved`, refused by the node that is asked first."""
    start, refused = hetmig.here(), NotAtFirst(marker)
    print("waiting", flush=True)
    while hetmig.here() == start:
        assert refused is not None
    return hetmig.here()


class Counter:
    """An actor that adds."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, number: int) -> int:
        self.total += number
        return self.total
