"""A placement policy in ten lines: a task that is called like a node's label goes there.

    python examples/own_policy.py

Two nodes run the policy `Homing` of this very file.  Three tasks begin at the first one; those
which stir numbers for "north" are moved there while they run, by the policy, and the others stay.
"""

import sys
from pathlib import Path

import hetmig
from hetmig.node.embedded import LocalNodes
from hetmig.node.placement import Move, Policy


class Homing(Policy):
    """A task goes to the node whose label `likes` is the task's name."""

    def decide(self, view):
        """One move for each task that is not where it belongs."""
        for peer in view.peers:
            for task in view.tasks:
                if peer.fits(task) and peer.facts.labels.get("likes") == task.name:
                    yield Move(task.id, peer.name)


def restless(rounds):
    """Stirs until it has come to the north."""
    total = 0
    while hetmig.here() != "north":
        total = (total * 31 + 1) % 1_000_003
    for number in range(rounds):
        total = (total * 31 + number) % 1_000_003
    return hetmig.here()


def settled(rounds):
    """Stirs where it is."""
    total = 0
    for number in range(rounds):
        total = (total * 31 + number) % 1_000_003
    return hetmig.here()


def main():
    """Submit all to the south, and see where they end."""
    here = str(Path(__file__).parent)
    each = [{"labels": {"likes": "settled"}}, {"labels": {"likes": "restless"}}]
    with (
        LocalNodes(
            2,
            names=["south", "north"],
            policy="own_policy:Homing:every=0.1",
            each=each,
            path=[here],
        ) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        tasks = [nodes.submit(job, 10_000) for job in (restless, settled, restless)]
        for task in tasks:
            print(f"{task.name} ended in the {task.result()}")
        moves = [hop.requested_by for task in tasks for hop in task.journey()]
    print(f"{len(moves)} moves, asked for by {', '.join(sorted(set(moves)))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
