"""What runs on the cluster, under test."""

from __future__ import annotations

import hashlib
import os
import time

import hetmig


def note(log: str, text: object) -> None:
    """A side effect, of which nobody doubts how often it happened."""
    line = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(line, f"{text} {hetmig.here()}\n".encode())
    os.close(line)


@hetmig.migratable
def steps(count: int, log: str, gate: str = "", pause: float = 0.0) -> int:
    """Does something to the world in each of its steps; in the middle it waits for the gate."""
    total = 0
    for number in range(count):
        note(log, number)
        while gate and number == count // 2 and not os.path.exists(gate):
            time.sleep(0.005)
        if pause:
            time.sleep(pause)
        total += number * number
    return total


def result(count: int) -> int:
    """What `steps` returns."""
    return sum(number * number for number in range(count))


@hetmig.migratable(every=0.1)
def kept(count: int, log: str, gate: str) -> int:
    """The same, kept in checkpoints."""
    return steps(count, log, gate)


def digest(pieces: list[bytes]) -> str:
    """Of a state, to compare."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


@hetmig.migratable
def heavy(mebibytes: int, count: int, log: str, gate: str) -> tuple[int, bool]:
    """The same with a large state, which must be the same at the end."""
    pieces = [os.urandom(1 << 20) for _ in range(mebibytes)]
    before = digest(pieces)
    return steps(count, log, gate), digest(pieces) == before


class Slow:
    """It does not say what it consists of while that file exists."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[type, tuple[str]]:
        while os.path.exists(self.file):
            time.sleep(0.005)
        return Slow, (self.file,)


@hetmig.migratable
def slow(count: int, log: str, gate: str, file: str) -> int:
    """The same with a state that does not get out in time."""
    state = Slow(file)
    total = steps(count, log, gate)
    assert state.file == file
    return total


@hetmig.migratable(needs={"gpu": 1, "zone": "secure"})
def needy(count: int, log: str, gate: str) -> int:
    """The same, for some workers only."""
    return steps(count, log, gate)


@hetmig.migratable
def failing(log: str, gate: str) -> None:
    """Ends with an error, in the middle."""
    steps(4, log, gate)
    raise LookupError("not there")


@hetmig.migratable
def stuck(log: str, gate: str) -> int:
    """Can't be captured before the gate opens: an open file is in the way."""
    with open(log, "a") as file:
        file.write("0 open\n")
        file.flush()
        while not os.path.exists(gate):
            time.sleep(0.005)
    return 1


@hetmig.migratable
def unmoved(log: str) -> int:
    """Asks for what hetmig's own nodes have, and a Dask cluster has not."""
    try:
        hetmig.migrate("elsewhere")
    except hetmig.NotMigratable as error:
        note(log, "hetmig.dask.move" in str(error))
    try:
        hetmig.put([1])
    except hetmig.HetmigError as error:
        note(log, "hetmig node" in str(error))
    return 1
