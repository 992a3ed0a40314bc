"""What moves in the benchmark of Dask; as a program, the other side of the plain copies."""

from __future__ import annotations

import pickle
import socket
import sys
from typing import Any

__all__ = ["clocked", "state_of"]


def state_of(size: int) -> dict[str, Any]:
    """A state of so many bytes."""
    import os

    pieces = [os.urandom(1 << 20) for _ in range(size >> 20)]
    return {"pieces": pieces, "counts": {"odd": 0, "even": 0}, "seen": [0] * 20}


def clocked(size: int, moves: int, ready: str) -> list[float]:
    """Hold a state until moved so often; for how long this stood still each time.

    Of two processes on one machine the monotonic clock is the same (Linux).
    """
    import os
    import time

    pieces = [os.urandom(1 << 20) for _ in range(size >> 20)]
    state: dict[str, Any] = {"pieces": pieces, "counts": {"odd": 0, "even": 0}, "seen": [0] * 20}
    gaps: list[float] = []
    total = done = 0
    open(ready, "w").close()
    process, last = os.getpid(), time.monotonic()
    while len(gaps) < moves:
        done += 1
        total = (total * 31 + done) % 1_000_003
        state["seen"][done % 20] = total
        state["counts"]["odd" if total & 1 else "even"] += 1
        now = time.monotonic()
        if os.getpid() != process:
            gaps.append(now - last)
            process = os.getpid()
        last = now
    assert sum(map(len, state["pieces"])) == size
    return gaps


def main(port: int) -> None:
    """Receive states, one after the other."""
    with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rb") as file:
        while head := file.read(8):
            pickle.loads(file.read(int.from_bytes(head, "big")))
            line.sendall(b"!")


if __name__ == "__main__":
    main(int(sys.argv[1]))
