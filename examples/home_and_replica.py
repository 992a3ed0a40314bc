"""The laptop that has started a task is switched off, and then the machine that runs it dies.

    python examples/home_and_replica.py

The task is submitted to the node "laptop" and moved to "worker".  A warm copy of it waits at
"standby".  "server" becomes the task's home, and the laptop is killed for good.  Then the worker is
killed as well: the copy takes over, and the program that waits for the result notices nothing.
"""

import sys
import time

import hetmig
from hetmig.node.embedded import LocalNodes


def sums():
    """Add up squares, as long as the worker lives, and say each hundredth sum."""
    number = total = 0
    while hetmig.here() != "standby":
        number += 1
        total += number * number
        if number % 100 == 0:
            print("up to", number, "it is", total, flush=True)
        time.sleep(0.002)
    return number, total, hetmig.here()


def main():
    """Kill one machine after the other."""
    names = ["laptop", "server", "worker", "standby"]
    with (
        LocalNodes(4, names=names, patience=1.0) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        task = nodes.submit(sums)
        task.migrate("worker")
        replica = task.replicate("standby", every=0.2)
        print("replica at", replica.node)
        task.rehome("server")
        local[0].kill()
        print("the laptop is off; the task is on", task.where())
        local[2].kill()
        print("the worker is dead")
        last, total, end = task.result()
    print("ended on", end)
    same = total == sum(number * number for number in range(1, last + 1))
    print("the right sum" if same else "ANOTHER SUM")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
