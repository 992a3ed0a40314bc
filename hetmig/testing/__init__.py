"""The torture harness: a program is migrated at every safe point, and must not notice.

`torture(function)` runs a function once, and at every safe point of that run captures the stack,
turns it into bytes and lets the program go on (which proves that capture only reads).  Then each
image is thawed and run to its end, here, in another process or in another interpreter, and its
outcome compared with that of an undisturbed run.

`ping_pong(function)` migrates one run again and again: each hop is a process of its own, which
goes on from the image to its next safe point, captures itself there and ends.

For pytest there are the marker `hetmig` and the option `--hetmig-torture`; see docs/testing.md.
"""

from hetmig.testing.hopping import ping_pong
from hetmig.testing.outcomes import Outcome, outcome
from hetmig.testing.reports import Difference, Report, Unsteady
from hetmig.testing.stops import point
from hetmig.testing.torturing import torture

__all__ = [
    "Difference",
    "Outcome",
    "Report",
    "Unsteady",
    "outcome",
    "ping_pong",
    "point",
    "torture",
]
