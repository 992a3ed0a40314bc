"""An asyncio program goes round three nodes while its tasks sleep, wait and work on.

    python examples/async_collector.py

Three sensors report to a queue, each at a pace of its own; a collector adds up and from time to
time takes the whole program to the next node.  Nothing is reported twice, and nothing is lost.
"""

import asyncio
import os
import sys

import hetmig
from hetmig.node.embedded import LocalNodes

PACES = {"wind": 0.01, "rain": 0.02, "sun": 0.03}
REPORTS = 10


async def sensor(name, pace, queue):
    """Report the hours of a day, slowly."""
    for hour in range(REPORTS):
        await asyncio.sleep(pace)
        await queue.put((name, hour))


async def collect(road):
    """Sum up what the sensors report, going from node to node."""
    queue, totals, road = asyncio.Queue(maxsize=2), dict.fromkeys(PACES, 0), list(road)
    async with asyncio.TaskGroup() as group:
        for name, pace in PACES.items():
            group.create_task(sensor(name, pace, queue), name=name)
        for count in range(REPORTS * len(PACES)):
            name, hour = await queue.get()
            totals[name] += hour
            if count % 10 == 5:
                at_work = sorted(t.get_name() for t in asyncio.all_tasks() if t.get_name() in PACES)
                await hetmig.migrate(road.pop(0))  # all of them go on over there
                print(f"now in {hetmig.here()}, process {os.getpid()}, with {', '.join(at_work)}")
    return totals


def main():
    """Start three nodes, and the program on the first."""
    with (
        LocalNodes(3, names=["north", "east", "south"]) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        task = nodes.submit(collect, ["east", "south", "north"])
        for name, total in task.result().items():
            print(f"{name}: {total}")
        print(f"{len(task.journey())} hops")


if __name__ == "__main__":
    sys.exit(main())
