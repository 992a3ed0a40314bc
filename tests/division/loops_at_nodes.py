"""Loops that are divided among nodes; they wait until they are asked, and for a gate (a file)."""

from __future__ import annotations

import operator
import os
import sys
import time

import hetmig
from hetmig.division import crew


def wait_until_asked() -> None:
    """Say so, and stay here until somebody wants the loop divided."""
    print("in the loop", flush=True)
    while not crew.pending:
        time.sleep(0.01)


def wait_for(gate: str) -> None:
    """Until the test has made the file."""
    while not os.path.exists(gate):
        time.sleep(0.01)


def listed(count: int, gate: str) -> tuple[list[int], int, str]:
    out: list[int] = []
    acc = 0
    for x in hetmig.divisible(range(count), merge={"out": operator.add, "acc": operator.add}):
        if x == 3:
            wait_until_asked()
        elif x > 3:
            wait_for(gate)
        print(f"did {x}", flush=True)
        out.append(x)
        acc += x * x
    return out, acc, hetmig.here() or ""


def divides_itself(count: int, parts: int) -> tuple[list[tuple[int, str]], int]:
    """Asks from the inside, and once more in the last part; tells where each was executed."""
    out: list[tuple[int, str]] = []
    for x in hetmig.divisible(range(count), merge={"out": operator.add}):
        if x in (2, count - 6):
            hetmig.divide(parts)
        out.append((x, f"{hetmig.here()}"))
    return out, x


def moves(count: int, to: str) -> list[tuple[int, str]]:
    """Each part goes to another node in its middle; so does the loop itself."""
    out: list[tuple[int, str]] = []
    for x in hetmig.divisible(range(count), merge={"out": operator.add}):
        if x == 0:
            hetmig.divide(3)
        if x % 4 == 1:
            hetmig.migrate(to)
        out.append((x, f"{hetmig.here()}"))
    return out


def fails(count: int, gate: str) -> tuple[list[int], str]:
    out: list[int] = []
    try:
        for x in hetmig.divisible(range(count), merge={"out": operator.add}):
            if x == 3:
                wait_until_asked()
            if x == count - 2:
                raise ValueError(f"at {x}")
            out.append(x)
    except ValueError as error:
        return out, str(error)
    return out, ""


def waits(count: int, gate: str) -> tuple[list[int], str]:
    """Its own iterations are done at once; the parts wait for the gate."""
    out: list[int] = []
    for x in hetmig.divisible(range(count), merge={"out": operator.add}):
        if x == 1:
            wait_until_asked()
        if x > count // 2:
            wait_for(gate)
        out.append(x)
    return out, hetmig.here() or ""


def undeclared(gate: str) -> int:
    total = 0
    for x in hetmig.divisible(range(8)):
        if x == 3:
            wait_until_asked()
        total += x
    return total


def without_a_loop(gate: str) -> str:
    print("in the loop", flush=True)
    wait_for(gate)
    return "done"


def takes_turns(how: str) -> tuple[list[str], str]:
    """Divides itself, and its body does what only one can do, in order."""
    out: list[str] = []
    for x in hetmig.divisible(range(12), merge={"out": operator.add}):
        if x == 1:
            hetmig.divide(3)
        try:
            if how == "input":
                out.append(f"{x} {sys.stdin.readline()}")
            else:
                out.append(f"{x} {hetmig.receive(0.01)}")
        except Exception as error:
            out.append(f"{x} {type(error).__name__}")
    return out, hetmig.here() or ""


def writes(path: str, policy: str) -> int:
    """A file that is open before the loop."""
    count = 0
    with hetmig.open(path, "w", policy=policy) as file:
        for x in hetmig.divisible(range(12), merge={"count": operator.add}):
            if x == 1:
                try:
                    hetmig.divide(3)
                except hetmig.HetmigError as error:
                    print(error, flush=True)
            count += file.write(f"{x}\n")
    return count
