"""A loop that runs already hands part of its remaining iterations to other nodes.

    python examples/divided_loop.py

The loop counts how far the numbers of Collatz run, on the node "desk".  When it is on its way, it
is divided in three: other parts run on the "shelf" and in the "cellar", and the loop merges what
they find, in the order of the iterations.  The result is that of the loop alone.
"""

import operator
import sys

import hetmig
from hetmig.node.embedded import LocalNodes

NUMBERS = 3000


def steps_of(number):
    """How many steps a number takes to come down to 1."""
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps


def longest(numbers, ask_at):
    """The steps of all numbers, those that beat the ones before, and where that was found out."""
    total, best, places = 0, (0, 0), []
    merge = {"total": operator.add, "best": (max, (0, 0)), "places": operator.add}
    for number in hetmig.divisible(range(1, numbers), merge=merge):
        if number == ask_at:
            hetmig.divide(3, to=["shelf", "cellar"])  # or from outside: task.divide(3)
        steps = steps_of(number)
        total += steps
        best = max(best, (steps, -number))
        if not places or places[-1] != hetmig.here():
            places.append(hetmig.here())
    return total, best, places


def main():
    """Divide the loop, and run it undivided."""
    with (
        LocalNodes(3, names=["desk", "shelf", "cellar"]) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        total, best, places = nodes.submit(longest, NUMBERS, 100).result()
    print(f"{total} steps; the longest way is that of {-best[1]}, with {best[0]}")
    print("executed on:", ", ".join(places))
    same = (total, best) == longest(NUMBERS, 100)[:2]
    print("the same result" if same else "ANOTHER RESULT")
    return 0 if same and places == ["desk", "shelf", "cellar"] else 1


if __name__ == "__main__":
    sys.exit(main())
