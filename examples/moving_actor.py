"""An actor that is called by a program and by a task, and moves to where there is work.

    python examples/moving_actor.py

A Register lives on the node "shop".  A task on the node "office" writes into it while it moves to
the "office" and back: each entry is there once, in order.  The report that comes out of it stays
at a node as well, as a passive object, until somebody fetches it.
"""

import sys

import hetmig
from hetmig.node.embedded import LocalNodes


class Register:
    """Adds up what is sold."""

    def __init__(self, currency):
        self.currency = currency
        self.sold = []

    def sell(self, what, price):
        """Note one sale; how many there are."""
        self.sold.append((what, price))
        return len(self.sold)

    def report(self):
        """Where it was written, and the total."""
        total = sum(price for _, price in self.sold)
        return f"{len(self.sold)} sold for {total} {self.currency}, says the {hetmig.here()}"

    def names(self):
        """What was sold, in order."""
        return [what for what, _ in self.sold]


def sell_by_telephone(register, count):
    """A task: all calls at once, then the answers."""
    replies = [register.sell(f"call {i}", 2) for i in range(count)]
    return [reply.result() for reply in replies]


def main():
    """Sell in two places while the register moves."""
    with (
        LocalNodes(2, names=["shop", "office"]) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        register = nodes.spawn(Register, "crowns")
        task = nodes.submit(sell_by_telephone, register, 100)
        futures = [register.sell(f"visit {i}", 3) for i in range(100)]
        hops = [register.migrate(place) for place in ("office", "shop", "office")]
        print("moved:", ", ".join(f"{hop.source} -> {hop.destination}" for hop in hops))
        numbers = [*task.result(), *(future.result() for future in futures)]
        names = register.names().result()
        report = nodes.put(register.report().result(), at="office")
        print(f"a {report.name} at {report.where()}: {report.get()}")
        register.stop().result()
    calls = [name for name in names if name.startswith("call")]
    visits = [name for name in names if name.startswith("visit")]
    right = (
        sorted(numbers) == list(range(1, 201))
        and calls == [f"call {i}" for i in range(100)]
        and visits == [f"visit {i}" for i in range(100)]
    )
    print("each sale once, in order" if right else "SOMETHING WAS LOST OR DOUBLED")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
