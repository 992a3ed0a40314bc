"""`hetmig drain`: empties a node, before a shutdown say.

Every task moves to another node that takes it. What can't move in time is checkpointed and stopped,
and what can't be checkpointed either stays and goes on. The node takes nothing new from then on.
SIGTERM to `hetmig node` does the same, and then the node ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from hetmig.commands.common import (
    EXIT_AGAIN,
    EXIT_FAILED,
    EXIT_OK,
    UsageError,
    add_command,
    add_node_options,
    console,
    milliseconds,
    open_nodes,
    plain,
    print_json,
    time_span,
)
from hetmig.commands.tasks import node_name

__all__ = ["DEADLINE", "add_parser", "exit_code_of", "show"]

EXAMPLES = """
hetmig drain laptop
hetmig drain laptop --deadline 25s --shutdown && sudo poweroff
hetmig drain laptop --undo
"""

DEADLINE = 25.0
"""Seconds: Kubernetes kills after 30."""
_SAFE = ("kept", "checkpointed")
_GONE = ("moved", "ended", "rehomed")


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "drain", run, __doc__, EXAMPLES)
    parser.add_argument("drained", metavar="NODE", help="the node to be emptied: name or URL")
    parser.add_argument(
        "--deadline",
        "--timeout",
        metavar="TIME",
        type=time_span,
        default=DEADLINE,
        help=f"how long it may take: 25s, 2m (default: {DEADLINE:g}s)",
    )
    after = parser.add_mutually_exclusive_group()
    after.add_argument("--shutdown", action="store_true", help="the node ends when it is empty")
    after.add_argument("--undo", action="store_true", help="the node takes tasks again")
    add_node_options(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Drain a node and print what became of its tasks."""
    if arguments.undo and arguments.json:
        raise UsageError("--undo prints nothing for programs")
    with open_nodes(arguments, echo=False) as nodes:
        drained = node_name(nodes, arguments.drained, arguments.keys)
        if arguments.undo:
            nodes.undrain(drained)
            print(f"{drained} takes tasks again")
            return EXIT_OK
        report = nodes.drain(drained, arguments.deadline, shutdown=arguments.shutdown)
    if arguments.json:
        print_json({"node": drained, "tasks": report})
    else:
        show(drained, report)
    return exit_code_of(report)


def show(drained: str, report: Sequence[dict[str, Any]]) -> None:
    """What became of each task, as a table and in one line."""
    rows = [["TASK", "NAME", "FATE", "WHERE", "WHY"]] if report else []
    for entry in report:
        rows.append([entry["task"], entry["name"], entry["fate"], _where(entry), _why(entry)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:  # whole lines, however long the last one: its end may be a command
        line = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console().print(plain(line.rstrip()), soft_wrap=True)
    counts: dict[str, int] = {}
    for entry in report:
        counts[entry["fate"]] = counts.get(entry["fate"], 0) + 1
    told = ", ".join(f"{count} {fate}" for fate, count in counts.items()) or "nothing was there"
    console().print(f"{plain(drained)} is drained: {told}")


def _where(entry: dict[str, Any]) -> str:
    if entry["fate"] == "kept":
        copy = f", and {entry['checkpoint']}" if entry["checkpoint"] else ""
        return f"its journal{copy}"
    return str(entry["to"] or entry["checkpoint"] or "")


def _why(entry: dict[str, Any]) -> str:
    if "freeze_s" in entry:
        home = f", at home on {entry['home']}" if "home" in entry else ""
        return f"frozen {milliseconds(entry['freeze_s'])}{home}"
    return str(entry["reason"])


def exit_code_of(report: Sequence[dict[str, Any]]) -> int:
    """0 if everything has left, 75 if the rest goes on when it is started again, else 1."""
    fates = {entry["fate"] for entry in report}
    if fates <= {*_GONE}:
        return EXIT_OK
    return EXIT_AGAIN if fates <= {*_GONE, *_SAFE} else EXIT_FAILED
