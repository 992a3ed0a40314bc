"""`hetmig send`: a message for a running task, wherever it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    UsageError,
    add_command,
    add_node_options,
    console,
    open_nodes,
    plain,
    seconds,
)
from hetmig.commands.tasks import find_task

if TYPE_CHECKING:
    from hetmig.client import Nodes, Task
    from hetmig.messages import TaskRef

__all__ = ["add_parser"]

SEND = """sends a text to a running task, which gets it with hetmig.receive().

A task with a name is found from every node that knows its home. The command ends when the task's
mailbox has accepted the text.
"""
EXAMPLES = """
hetmig send collector "stop after this page"
hetmig send 3f2 status --request         print what it replies
hetmig send collector stop --received    wait until it has received it
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "send", run, SEND, EXAMPLES)
    parser.add_argument("task", metavar="TASK", help="name or id, or the beginning of one")
    parser.add_argument("text", metavar="TEXT", help="what it gets, as a str")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--request", action="store_true", help="wait for its reply, and print that")
    how.add_argument("--received", action="store_true", help="wait until it has received it")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="how long to wait for each (default: 30)",
    )
    add_node_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send it."""
    with open_nodes(arguments, echo=False) as nodes:
        task = _meant(nodes, arguments.task)
        if arguments.request:
            print(task.request(arguments.text, timeout=arguments.timeout))
            return EXIT_OK
        sent = task.send(arguments.text, timeout=arguments.timeout)
        if arguments.received:
            sent.received(arguments.timeout)
        how = "received" if arguments.received else "accepted"
        console().print(f"{how} by [bold]{plain(task.name)}[/] on {plain(task.where())}")
    return EXIT_OK


def _meant(nodes: Nodes, wanted: str) -> Task | TaskRef:
    """The task of this very name or id, wherever it is known; or the one that begins so here."""
    from hetmig.client import Task
    from hetmig.errors import NoSuchTask
    from hetmig.messages import TaskRef

    try:
        found = nodes.find(wanted)
    except NoSuchTask:
        found = nodes.find(find_task(nodes, wanted).id)
    if not isinstance(found, Task | TaskRef):
        raise UsageError(f"messages are for tasks, and {wanted!r} is none: {found!r}")
    return found
