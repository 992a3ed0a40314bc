"""Work on a pretended processor, of which each node has one."""

from __future__ import annotations

__all__ = ["traveller", "worker"]


def worker(directory: str, seconds: float) -> float:
    """Work for so long, in short turns, each with the processor of the node it is on then."""
    import time

    import hetmig

    done = 0.0
    while done < seconds:
        turn = min(0.02, seconds - done)
        with hetmig.pinned("it has the processor"):
            take_turn(directory, turn)
        done += turn
        time.sleep(0.001)  # so that another one gets it
    return done


def traveller(names: list[str]) -> None:
    """Visit each node."""
    import hetmig

    for name in names:
        hetmig.migrate(name)


def take_turn(directory: str, seconds: float) -> None:
    """Wait for the processor, have it for so long, and give it back."""
    import fcntl
    import os
    import time

    import hetmig

    processor = os.open(os.path.join(directory, str(hetmig.here())), os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(processor, fcntl.LOCK_EX)
        time.sleep(seconds)
    finally:
        os.close(processor)
