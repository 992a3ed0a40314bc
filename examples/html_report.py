"""Three tasks move between three nodes, and a page tells what became of them.

    python examples/html_report.py [report.html]

One is moved from outside, one moves by itself, one is kept as a checkpoint.  Open the page in a
browser: a lane for each node, each freeze with its steps, and where the time went.
"""

import sys
import tempfile
from pathlib import Path

import hetmig
from hetmig.node.embedded import LocalNodes


def primes(limit):
    """A loop that can be met anywhere; it does not end before it has been."""
    found, start = [], hetmig.here()
    for n in range(2, limit):
        for p in found:
            if p * p > n:
                found.append(n)
                break
            if n % p == 0:
                break
        else:
            found.append(n)
        if n % 1000 == 0:
            hetmig.progress(n, limit)
    while hetmig.here() == start:
        pass
    return len(found)


def tour(stops):
    """Goes its own way."""
    visited = [hetmig.here()]
    for stop in stops:
        hetmig.migrate(stop)
        visited.append(hetmig.here())
    return visited


def stay():
    """Waits to be asked."""
    hetmig.receive()
    return "stayed"


def main(file):
    """Let them move, and write the page."""
    with (
        LocalNodes(3, names=["laptop", "arm-box", "cellar"]) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
        tempfile.TemporaryDirectory() as saved,
    ):
        waiting = nodes.submit(stay)
        counting = nodes.submit(primes, 800_000)
        counting.migrate("arm-box")
        touring = nodes.submit(tour, ["arm-box", "cellar", "laptop", "cellar"])
        waiting.checkpoint(saved)
        waiting.migrate("cellar")
        waiting.send("go on")
        print(waiting.result(), "and", counting.result(), "primes, by way of", touring.result())

        report = nodes.report()
        totals = report.totals()
        print(f"{totals['tasks']} tasks, {totals['moves']} moves, {totals['checkpoints']} kept")
        side, step, _ = max(report.steps(), key=lambda entry: entry[2])
        print(f"most of the time went into: {step} ({side})")
        path = report.save(file)
        print(f"{path.name} has {path.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as directory:
            main(Path(directory) / "report.html")
