"""Crawlers send what they find to a collector, which moves from node to node meanwhile.

    python examples/moving_collector.py

Three crawlers know the collector by its name only.  While they work, it moves from the "harbour" to
the "hill" and the "tower", and each node that it has left is switched off: whatever is sent finds
it, once, in order.
At the end it is asked for its report, and sends what it has.
"""

import sys

import hetmig
from hetmig.node.embedded import LocalNodes

PAGES = 40


def collect():
    """Keep what comes, in order; answer requests for a report; end at the message None."""
    found, places = {}, []
    while True:
        message = hetmig.receive_message()
        if hetmig.here() not in places:
            places.append(hetmig.here())
        if message.value is None:
            return found, places
        if message.is_request:
            count = sum(map(len, found.values()))
            message.reply(f"{count} pages of {len(found)} crawlers, says the {hetmig.here()}")
        else:
            found.setdefault(message.sender.name, []).append(message.value)


def crawl(pages):
    """Find pages, and send them to the collector, wherever it is."""
    for page in range(pages):
        hetmig.send("collector", page)
    return pages


def main():
    """Let three crawl while the fourth moves."""
    places = ["village", "harbour", "hill", "tower"]
    with (
        LocalNodes(4, names=places) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        collector = nodes.with_options(name="collector").submit(collect)
        collector.migrate("harbour")
        names = ["ann", "ben", "cleo"]
        crawlers = [nodes.with_options(name=name).submit(crawl, PAGES) for name in names]
        for left, place in enumerate(places[2:], 1):
            hop = collector.migrate(place)
            local[left].kill()
            print(f"moved from {hop.source} to {hop.destination}; {places[left]} is switched off")
        for crawler in crawlers:
            crawler.result()
        print(nodes.find("collector").request("report"))
        collector.send(None)
        found, _ = collector.result()
    right = found == {name: list(range(PAGES)) for name in names}
    print("each page once, in order" if right else "SOMETHING WAS LOST OR DOUBLED")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
