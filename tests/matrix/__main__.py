"""`python -m tests.matrix [options] [NAME ...]` writes docs/portability.md anew."""

from __future__ import annotations

import argparse
import math
import shlex
import sys

from hetmig.errors import TargetUnavailable
from tests.matrix import table
from tests.matrix.chain import travel
from tests.matrix.pairs import cases, run, some_of_each
from tests.matrix.sites import Site


def main() -> int:
    """Run the matrix; 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(table.NAMES)}")
    parser.add_argument("--points", type=int, default=1, help="safe points per case (1)")
    parser.add_argument("--share", type=int, default=1, help="every so many-th case (1)")
    parser.add_argument(
        "--each-module", metavar="N", type=int, help="so many cases of each case module"
    )
    parser.add_argument("--seed", type=int, default=0, help="which ones (0)")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin nothing new after this time"
    )
    given = parser.parse_args()
    chosen = cases(given.share)
    if given.each_module:
        chosen = some_of_each(given.each_module, given.seed)
    sites, missing = [], []
    for name in given.names or table.NAMES:
        try:
            sites.append(Site(name))
        except TargetUnavailable as error:
            missing.append(f"- `{name}` could not be had: {error}")
    results = run(sites, chosen, given.points, seconds=given.minutes * 60)
    try:
        journey = travel(sites)
    finally:
        for site in sites:
            site.close()
    command = shlex.join(["python", "-m", "tests.matrix", *sys.argv[1:]])
    parts = {
        "targets": table.targets(),
        "command": f"Made by `{command}`.",
        "matrix": table.matrix(results),
        "sums": "\n".join([table.sums(results), *missing]),
        "left_out": table.left_out(results),
        "refusals": table.refusals(results),
        "not_run": table.not_run(results),
        "chain": table.chain(journey),
    }
    page = table.PAGE.read_text("utf-8")
    table.PAGE.write_text(table.written(page, parts), "utf-8")
    tallies = results.pairs.values()
    for line in [line for tally in tallies for line in (*tally.wrong, *tally.signals, *tally.late)]:
        print(line)
    return 1 if any(tally.wrong or tally.signals for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
