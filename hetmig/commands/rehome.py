"""`hetmig rehome`: another node is the home of a task."""

from __future__ import annotations

import argparse
from typing import Any

from hetmig.commands.common import (
    EXIT_FAILED,
    EXIT_OK,
    UsageError,
    add_command,
    add_node_options,
    console,
    open_nodes,
    plain,
    print_json,
    seconds,
)
from hetmig.commands.tasks import find_any, node_name
from hetmig.errors import HetmigError

__all__ = ["add_parser"]

ABOUT = """lets another node be the home of a task: its record, output and result go there.

The task itself stays where it is. Afterwards the old home may be killed for good.
"""
EXAMPLES = """
hetmig rehome crunch.py --to server
hetmig rehome --all --to server     before the laptop is switched off
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "rehome", run, ABOUT, EXAMPLES)
    parser.add_argument(
        "task", metavar="TASK", nargs="?", help="id or name, or the beginning of one"
    )
    parser.add_argument("--all", action="store_true", help="all tasks that are at home there")
    parser.add_argument("--to", metavar="NODE", required=True, help="where to: name or URL")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=10.0,
        help="how long to try, each (default: 10)",
    )
    add_node_options(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Move the records, one after the other, and say what became of each."""
    if (arguments.task is None) != arguments.all:
        raise UsageError("say which task, or --all")
    report: list[dict[str, Any]] = []
    with open_nodes(arguments, echo=False) as nodes:
        to = node_name(nodes, arguments.to, arguments.keys)
        if arguments.all:
            chosen = [task for task in nodes.tasks() if task.home == nodes.name]
        else:
            chosen = [find_any(nodes, arguments.task)]
        for task in chosen:
            entry = {"task": task.id, "name": task.name, "to": to, "told": False, "reason": ""}
            try:
                entry["told"] = nodes.rehome(task.id, to, arguments.timeout)
            except HetmigError as error:
                if not arguments.all:
                    raise
                entry["reason"] = str(error)
            report.append(entry)
            if not arguments.json:
                _show(entry, task.node)
    if arguments.json:
        print_json({"tasks": report})
    return EXIT_OK if all(entry["told"] for entry in report) else EXIT_FAILED


def _show(entry: dict[str, Any], node: str) -> None:
    name = f"[bold]{plain(entry['name'])}[/] ({entry['task']})"
    if entry["reason"]:
        console().print(f"{name} stays: {plain(entry['reason'])}", soft_wrap=True)
    elif entry["told"]:
        console().print(f"{name} is at home on {plain(entry['to'])}", soft_wrap=True)
    else:
        console().print(
            f"{name} is at home on {plain(entry['to'])}, but {plain(node)}, where it is, has not "
            "confirmed that yet: keep the old home until it has",
            soft_wrap=True,
        )
