"""`hetmig cancel`: ends a task, wherever it is, at once and without letting it clean up.

Who waits for it is told that it was cancelled. Actors and kept objects end in the same way.
"""

from __future__ import annotations

import argparse
from typing import Any

from hetmig.commands.common import EXIT_OK, add_command, add_node_options, open_nodes
from hetmig.commands.tasks import find_task

__all__ = ["add_parser"]

EXAMPLES = """
hetmig cancel crunch.py
hetmig cancel 3f2 51c        the beginnings of ids are enough
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "cancel", run, __doc__, EXAMPLES)
    parser.add_argument("tasks", metavar="TASK", nargs="+", help="id or name, or its beginning")
    add_node_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """End them; if one of them can't be meant, none."""
    with open_nodes(arguments, echo=False) as nodes:
        for task in [find_task(nodes, wanted) for wanted in arguments.tasks]:
            nodes.cancel(task.id)
            print(f"{task.name} ({task.id}) on {task.node} is cancelled")
    return EXIT_OK
