"""`hetmig replicate` and `takeover`: a warm copy of a task at another node, and its last resort."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from hetmig.commands.common import (
    EXIT_OK,
    UsageError,
    add_command,
    add_node_options,
    console,
    milliseconds,
    open_nodes,
    pick,
    plain,
    print_json,
    seconds,
    size,
    time_span,
)
from hetmig.commands.tasks import find_task, node_name

__all__ = ["add_parser"]

ABOUT = """keeps a warm copy of a running task at another node, made anew again and again.

When the task's node is lost, its home lets the copy go on.
"""
EXAMPLES = """
hetmig replicate crunch.py --to server --every 5s
hetmig replicate crunch.py --off
"""
TAKEOVER = """lets a node's replica of a task go on with it, and that node be the task's home.

For a home that was lost together with the task's node: say so only if you know that they are. If
they come back, their copy is void.
"""
TAKEOVER_EXAMPLES = """
hetmig takeover crunch.py --node server
"""


def add_parser(commands: Any) -> None:
    """Add these commands to the parser."""
    parser = add_command(commands, "replicate", run_replicate, ABOUT, EXAMPLES)
    parser.add_argument("task", metavar="TASK", help="id or name, or the beginning of one")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", metavar="NODE", help="where to: name or URL")
    where.add_argument("--off", action="store_true", help="no copy any more")
    parser.add_argument(
        "--every",
        metavar="TIME",
        type=time_span,
        default=5.0,
        help="how often: 5s, 1m (default: 5s)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="how long the first copy may take (default: 30)",
    )
    add_node_options(parser)
    parser.add_argument("--json", action="store_true", help="for programs")

    parser = add_command(commands, "takeover", run_takeover, TAKEOVER, TAKEOVER_EXAMPLES)
    parser.add_argument("task", metavar="TASK", help="id or name, or the beginning of one")
    add_node_options(parser)


def run_replicate(arguments: argparse.Namespace) -> int:
    """Have the first copy made, or the last one dropped."""
    with open_nodes(arguments, echo=False) as nodes:
        found = find_task(nodes, arguments.task)
        to = None if arguments.off else node_name(nodes, arguments.to, arguments.keys)
        task = nodes.task(found.id)
        replica = task.replicate(to, every=arguments.every, timeout=arguments.timeout)
    if arguments.json:
        print_json({"task": found.id, "replica": None if replica is None else asdict(replica)})
    elif replica is None:
        console().print(f"[bold]{plain(found.name)}[/] has no replica")
    else:
        cold = "" if replica.warm else "; it is put together when it takes over (it writes files)"
        console().print(
            f"[bold]{plain(found.name)}[/] has a replica at {plain(replica.node)}: "
            f"{size(replica.bytes)}, frozen {milliseconds(replica.freeze_s)}, again every "
            f"{arguments.every:g} s{cold}",
            soft_wrap=True,
        )
    return EXIT_OK


def run_takeover(arguments: argparse.Namespace) -> int:
    """Let the asked node's replica be the task."""
    with open_nodes(arguments, echo=False) as nodes:
        waiting = {task.id: task for task in nodes.tasks() if task.state == "replica"}
        named = [task for task in waiting.values() if task.name.startswith(arguments.task)]
        if not waiting:
            raise UsageError(f"{nodes.name} has no replica of any task")
        chosen = named[0] if len(named) == 1 else pick(arguments.task, waiting, "replica")
        nodes.takeover(chosen.id)
        console().print(
            f"[bold]{plain(chosen.name)}[/] ({chosen.id}) goes on at {plain(nodes.name)}, which is "
            "its home now",
            soft_wrap=True,
        )
    return EXIT_OK
