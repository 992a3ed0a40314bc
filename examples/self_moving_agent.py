"""An agent goes from node to node by itself, does its work where the data is, and comes home.

    python examples/self_moving_agent.py

Three nodes stand for three shops, each with a list of its own, which an agent reads where it is.
The agent is an ordinary function: its `for` loop goes on in the next shop, in the middle of its
body, with what it has found so far.
"""

import os
import sys
import tempfile
from pathlib import Path

import hetmig
from hetmig.node.embedded import LocalNodes

SHOPS = {"north": "lamp 12,chair 49", "east": "lamp 15,table 120", "south": "chair 35,lamp 11"}


def cheapest(shops, street):
    """The best offer for each article, over all shops in the street."""
    best = {}
    print(f"the agent starts in {hetmig.here()}, process {os.getpid()}")
    for shop in shops:
        hetmig.migrate(shop)  # the next line runs over there
        print(f"now in {hetmig.here()}, process {os.getpid()}, with {len(best)} offers so far")
        offers = Path(street, hetmig.here()).read_text()
        for offer in offers.split(","):
            article, price = offer.split()
            if article not in best or int(price) < best[article][0]:
                best[article] = (int(price), shop)
    return best


def main():
    """Open the shops, send the agent out."""
    with (
        tempfile.TemporaryDirectory() as street,
        LocalNodes(len(SHOPS), names=list(SHOPS)) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        for shop, offers in SHOPS.items():
            Path(street, shop).write_text(offers)
        task = nodes.submit(cheapest, ["east", "south", "north"], street)
        for article, (price, shop) in sorted(task.result().items()):
            print(f"{article}: {price} in the {shop}")
        print(f"{len(task.journey())} hops")


if __name__ == "__main__":
    sys.exit(main())
