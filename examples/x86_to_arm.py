"""A running computation goes on on another kind of processor: x86 here, 64-bit ARM there.

    python examples/x86_to_arm.py [TARGET]

TARGET is arm64 by default; s390x, armhf and i386 go as well.  The other computer is emulated
(Debian's Python, qemu-user) and made at the first run, which takes a minute and a network.  This
Python has to be 3.11, as the other one is.
"""

import platform
import sys
import time

import hetmig
from hetmig import targets
from hetmig.node.embedded import LocalNodes


def primes(limit):
    """All primes below the limit, and on which machine each stretch of them was found."""
    found, machines = [], []
    for number in range(2, limit):
        for prime in found:
            if prime * prime > number:
                found.append(number)
                break
            if number % prime == 0:
                break
        else:
            found.append(number)
        # Asks the operating system each time: nothing of the first machine is left over there.
        if number % 100 == 0 and platform.uname().machine not in machines:
            machines.append(platform.uname().machine)
    return found, machines


def main():
    """Begin here, move in the middle, compare."""
    target = sys.argv[1] if len(sys.argv) > 1 else "arm64"
    python = targets.make(target, progress=print)
    with (
        LocalNodes(2, names=["here", "there"], python=[None, str(python)]) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        task = nodes.submit(primes, 1_500_000)
        time.sleep(0.2)
        task.migrate("there")  # from outside, wherever the loops stand
        found, machines = task.result()
        (hop,) = task.journey()
    print(f"moved at line {hop.line}, {hop.bytes} bytes, frozen for {hop.freeze_s * 1000:.1f} ms")
    print(f"{len(found)} primes, the last one {found[-1]}, found on {' and then '.join(machines)}")
    same = found == primes(1_500_000)[0]
    print("the same primes as without moving" if same else "OTHER PRIMES THAN WITHOUT MOVING")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
