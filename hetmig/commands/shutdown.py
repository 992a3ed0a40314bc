"""`hetmig shutdown`: ends a node, as SIGTERM on its own machine does.

It is drained first. It needs the right admin there.
"""

from __future__ import annotations

import argparse
from typing import Any

from hetmig.commands.common import EXIT_OK, add_command, add_keys_option, open_nodes

__all__ = ["add_parser"]

EXAMPLES = """
hetmig shutdown arm-box
hetmig drain arm-box --deadline 2m && hetmig shutdown arm-box     to see what became of its tasks
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "shutdown", run, __doc__, EXAMPLES)
    parser.add_argument("node", metavar="NODE", help="the node to be ended: name or URL")
    add_keys_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask it to end."""
    with open_nodes(arguments, echo=False) as nodes:
        print(f"{nodes.shutdown()} ends")
    return EXIT_OK
