"""Calls of an ordinary executor, one of which is moved while it runs.

    python examples/executor_over_nodes.py [LIMIT]

Two nodes on this machine, `desk` and `shelf`, share the calls of an executor: to count the primes
of several ranges. The first call is moved over to the other node in the middle of its range. At the
end an asyncio program asks for the same, gives up waiting for it, and so ends the task.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import sys

import hetmig
from hetmig.node.embedded import LocalNodes

PARTS = 4


def count_primes(first: int, last: int) -> int:
    """How many primes there are from `first` on, below `last`."""
    found = 0
    for number in range(max(first, 2), last):
        for divisor in range(2, int(number**0.5) + 1):
            if number % divisor == 0:
                break
        else:
            found += 1
    return found


def count(executor: hetmig.Executor, limit: int) -> int:
    """Submit the parts, move the largest one, and add up."""
    bounds = [limit * part // PARTS for part in range(PARTS + 1)]
    ranges = reversed(list(itertools.pairwise(bounds)))
    futures = [executor.submit(count_primes, *each) for each in ranges]
    largest = futures[0].task
    hop = largest.move("shelf" if largest.where() == "desk" else "desk")
    print(f"moved from {hop.source} to {hop.destination}, after {hop.freeze_s:.3f} s it went on")
    total = 0
    for future in concurrent.futures.as_completed(futures):
        print(f"  {future.result()} primes, found on {future.task.where()}")
        total += future.result()
    return total


async def give_up(nodes: hetmig.aio.Nodes, limit: int) -> str:
    """Wait for a task not long enough; its state then."""
    async with nodes:
        task = nodes.submit(count_primes, 0, 1000 * limit)
        try:
            async with asyncio.timeout(0.1):
                await task
        except TimeoutError:
            return (await task.info()).state
    return "done after all"


def main(limit: int) -> None:
    """Start the nodes, and let them count."""
    with LocalNodes(2, names=["desk", "shelf"]) as local:
        with hetmig.Executor(2, nodes=local.endpoints, keys=local.keys) as executor:
            print(f"{count(executor, limit)} primes below {limit}")
        nodes = hetmig.aio.connect(local[0], keys=local.keys)
        print(f"given up: the task is {asyncio.run(give_up(nodes, limit))}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400_000)
