"""A machine is to be switched off: everything that runs there goes on elsewhere, at once.

    python examples/drain_before_shutdown.py

Four tasks run on the node "old", none of them prepared for it.  `drain` moves each of them, from
wherever it stands, to the node "new".  Nothing is lost, and nothing is begun again.
"""

import sys

import hetmig
from hetmig.node.embedded import LocalNodes


def collatz(first, count):
    """The number among `count` from `first` on whose way down to 1 is the longest."""
    best = (0, 0)
    for start in range(first, first + count):
        number, steps = start, 0
        while number != 1:
            number = 3 * number + 1 if number % 2 else number // 2
            steps += 1
        best = max(best, (steps, start))
        hetmig.progress(start - first + 1, count)
    return best


def main():
    """Fill one node with work, drain it, wait for the results on the other one."""
    count = 200_000
    with (
        LocalNodes(2, names=["old", "new"]) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        tasks = [nodes.submit(collatz, i * count + 1, count) for i in range(4)]
        report = nodes.drain("old")
        print(
            f"drained: {len(report)} tasks, {sum(entry['to'] == 'new' for entry in report)} moved"
        )
        results = [task.result() for task in tasks]
        ends = [task.where() for task in tasks]
    for (steps, start), end in zip(results, ends, strict=True):
        print(f"{start:>6} takes {steps} steps; ended on {end}")
    same = results == [collatz(i * count + 1, count) for i in range(4)]
    print("the same results as without a move" if same else "OTHER RESULTS THAN WITHOUT A MOVE")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
