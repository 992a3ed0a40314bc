"""Work on a pretended processor, of which each node has one, shared evenly by what runs there."""

from __future__ import annotations

__all__ = ["traveller", "worker"]


def worker(directory: str, name: str, seconds: float) -> float:
    """Work for so long: a second takes as many seconds as there are workers on the node.

    Each has a file in the directory of the node where it is.
    """
    import os
    import time

    import hetmig

    done, mine = 0.0, ""
    while done < seconds:
        there = os.path.join(directory, str(hetmig.here()))
        if os.path.dirname(mine) != there:
            if mine:
                os.unlink(mine)
            mine = os.path.join(there, name)
            os.makedirs(there, exist_ok=True)
            os.close(os.open(mine, os.O_CREAT))
        share = 1 / len(os.listdir(there))
        time.sleep(0.03)
        done += 0.03 * share
    os.unlink(mine)
    return done


def traveller(names: list[str]) -> None:
    """Visit each node."""
    import hetmig

    for name in names:
        hetmig.migrate(name)
