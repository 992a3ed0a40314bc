"""Loops that are divided among nodes; each waits at a gate, which the test opens by a file."""

from __future__ import annotations

import operator
import time
from pathlib import Path

import hetmig


def wait_for(gate: str) -> None:
    """Until the test has made the file."""
    while not Path(gate).exists():
        time.sleep(0.01)


def listed(count: int, gate: str) -> tuple[list[int], int, str]:
    """The first iterations are quick; the loop says so, and then waits at each for the gate."""
    out: list[int] = []
    acc = 0
    merge = {"out": operator.add, "acc": operator.add}
    for x in hetmig.divisible(range(count), merge=merge):
        if x == 3:
            print("in the loop", flush=True)
        if x >= 3:
            wait_for(gate)
        print(f"did {x}", flush=True)
        out.append(x)
        acc += x * x
    return out, acc, hetmig.here() or ""


def divides_itself(count: int, parts: int) -> tuple[list[tuple[int, str]], int]:
    """Asks from the inside; tells where each iteration was executed."""
    out: list[tuple[int, str]] = []
    for x in hetmig.divisible(range(count), merge={"out": operator.add}):
        if x == 2:
            hetmig.divide(parts)
        out.append((x, hetmig.here() or ""))
    return out, x


def fails(count: int, gate: str) -> tuple[list[int], str]:
    out: list[int] = []
    try:
        for x in hetmig.divisible(range(count), merge={"out": operator.add}):
            if x == 3:
                print("in the loop", flush=True)
            wait_for(gate)
            if x == count - 2:
                raise ValueError(f"at {x}")
            out.append(x)
    except ValueError as error:
        return out, str(error)
    return out, ""


def undeclared(gate: str) -> int:
    seen: set[int] = set()
    total = 0
    for x in hetmig.divisible(range(8)):
        if x == 3:
            print("in the loop", flush=True)
        if x >= 3:
            wait_for(gate)
        seen.add(x)
        total += x
    return total
