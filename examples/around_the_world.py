"""One task around the world: ten hops over five kinds of computers, always in the middle of a loop.

    python examples/around_the_world.py

It goes host -> arm64 -> s390x (big endian) -> armhf (32 bits) -> i386 -> host, twice: by itself the
first time, moved from outside while it loops the second time.  It carries numbers of hundreds of
bits, floats, bytes, sets, dates and nested data, inside a `with` block, and returns exactly what a
run that stays at home returns.

The foreign computers are emulated (Debian's Python, qemu-user).  They are made at the first run,
which takes a minute or two and a network.  The host's Python has to be 3.11, as theirs is.
"""

import datetime
import math
import platform
import sys
import time
import zlib

import hetmig
from hetmig import targets
from hetmig.node.embedded import LocalNodes

ROUTE = ["arm64", "s390x", "armhf", "i386", "host"] * 2


def world_tour(stops):
    """Collect something at each of the stops; None means to stay where we are."""
    pages = []

    class Diary:
        """Open during the whole journey: it is closed once, at its end."""

        def __enter__(self):
            self.state = "open"
            return self

        def write(self, entry):
            assert self.state == "open"
            pages.append(entry)

        def __exit__(self, *_):
            self.state = "closed"

    number, fraction = 1, 0.0
    packet = bytearray()
    seen = {"numbers": set(), "days": {}, "odd floats": [math.pi, -0.0, math.inf, 5e-324, 1e308]}
    day = datetime.datetime(1873, 10, 2, 20, 45, tzinfo=datetime.UTC)

    with Diary() as diary:
        for leg, stop in enumerate(stops):
            for step in range(2000):
                number = (number * 6364136223846793005 + step) % 2**300
                # Sums of powers of two are exact, so that 32-bit x86, which rounds other sums
                # differently, agrees with everybody else.
                fraction += 2.0 ** -(step % 20)
                packet.append(number & 0xFF)
                if step % 500 == leg:
                    seen["numbers"].add(number)
                    day += datetime.timedelta(hours=number % 100, microseconds=step)
                    seen["days"].setdefault(day.date(), []).append((leg, {step: day}))
            diary.write((leg, number.bit_length(), zlib.crc32(packet)))
            if stop is not None and leg < 5:
                hetmig.migrate(stop)
            while stop is not None and hetmig.here() != stop:
                # In the second half somebody moves us from outside, in the middle of this.
                hetmig.progress(leg, len(stops), f"waiting to be moved to {stop}")
    return pages, number, fraction, bytes(packet), seen, day, diary.state


def main():
    """Make the computers, start a node on each, send the task around."""
    pythons = [str(targets.make(name, progress=print)) for name in ROUTE[:4]]
    with (
        LocalNodes(5, python=[None, *pythons], names=["host", *ROUTE[:4]]) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        task = nodes.submit(world_tour, ROUTE)
        for leg in range(5, len(ROUTE)):
            wait_for(task, leg)
            task.migrate(ROUTE[leg], timeout=60)
        result = task.result()
        for number, hop in enumerate(task.journey(), 1):
            print(
                f"{number:2}. {hop.source:>5} -> {hop.destination:<5}"
                f" {hop.bytes:>7} bytes, {hop.freeze_s * 1000:6.1f} ms, at line {hop.line}"
            )
    same = result == world_tour([None] * len(ROUTE))
    print(
        f"{len(task.journey())} hops, home again on {platform.machine()}:",
        "the same result as at home" if same else "ANOTHER RESULT THAN AT HOME",
    )
    return 0 if same else 1


def wait_for(task, leg):
    """Return when the task says that it waits at the end of this leg."""
    while not task.done():
        progress = task.progress()
        if progress is not None and progress[0] == leg:
            break
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
