"""`hetmig divide`: hand part of a running loop to other nodes."""

from __future__ import annotations

import argparse
from typing import Any

from hetmig.commands.common import (
    EXIT_OK,
    add_command,
    add_node_options,
    console,
    open_nodes,
    plain,
    print_json,
    seconds,
)

__all__ = ["add_parser"]

DIVIDE = """divides the running loop of a task among nodes; the loop merges what comes back.

The loop is one over `hetmig.divisible(...)`. If it can't be divided, it goes on as it was, and the
reason is printed.
"""
DIVIDE_EXAMPLES = """
hetmig divide 3f2                            in two, with the node that has least to do
hetmig divide total --parts 3 --to arm-box --to laptop
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "divide", run, DIVIDE, DIVIDE_EXAMPLES)
    parser.add_argument("task", metavar="TASK", help="id or name, or the beginning of one")
    parser.add_argument(
        "--parts", type=int, default=2, metavar="N", help="the one that stays included (default: 2)"
    )
    parser.add_argument(
        "--to", metavar="NODE", action="append", default=[], help="where a part goes; in turn"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=10.0,
        help="how long to wait for the loop's next iteration (default: 10)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    add_node_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Divide it and say into how many parts."""
    from hetmig.commands.tasks import find_task, node_name

    with open_nodes(arguments, echo=False) as nodes:
        info = find_task(nodes, arguments.task)
        to = [node_name(nodes, name, arguments.keys) for name in arguments.to]
        parts = nodes.task(info.id).divide(arguments.parts, to, arguments.timeout)
    if arguments.json:
        print_json({"task": info.id, "parts": parts})
    else:
        console().print(f"[bold]{plain(info.name)}[/] is divided into {parts} parts")
    return EXIT_OK
