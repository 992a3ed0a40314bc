"""`hetmig report`: what became of tasks, as a page that a person would show a colleague."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    add_command,
    add_node_options,
    console,
    open_nodes,
    plain,
    print_json,
    print_rows,
)
from hetmig.commands.tasks import find_any
from hetmig.units import count, milliseconds, size, span

if TYPE_CHECKING:
    from hetmig.report import Report

__all__ = ["add_parser"]

ABOUT = "what became of tasks: where each was, how long it stood still to move, and why so long."
EXAMPLES = """
hetmig report                                  in short, of all that the node is home of
hetmig report --html report.html crunch.py     a page to look at, or to send to somebody
hetmig report --json | jq .totals
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "report", run, ABOUT, EXAMPLES)
    parser.add_argument(
        "tasks", metavar="TASK", nargs="*", help="ids or names, or beginnings (default: all)"
    )
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write a page, which needs nothing but itself"
    )
    add_node_options(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Write the page, or print the report."""
    with open_nodes(arguments, echo=False) as nodes:
        report = nodes.report(*(find_any(nodes, wanted).id for wanted in arguments.tasks))
    if arguments.html is not None:
        report.save(arguments.html)
    if arguments.json:
        print_json(report.to_json())
    elif arguments.html is not None:
        told = f"{count(len(report.stories), 'task')}, {count(len(report.hops), 'move')}"
        console().print(f"{told}: {plain(arguments.html)}")
    else:
        _show(report)
    return EXIT_OK


def _show(report: Report) -> None:
    totals = report.totals()
    rows = [["TASK", "NAME", "STATE", "LASTED", "MOVES", "FROZEN", "BYTES", "WAS ON"]]
    for story in report.stories:
        frozen = milliseconds(story.frozen_s) if story.hops else ""
        nbytes = size(story.bytes) if story.hops else ""
        way = " → ".join(stay.node for stay in story.stays)
        row = [story.id, story.name, story.state, span(story.end - story.begin)]
        rows.append([*row, str(len(story.hops)), frozen, nbytes, way])
    print_rows(rows)
    if not totals["moves"]:
        return
    whole = sum(seconds for *_, seconds in report.steps()) or 1.0
    said = f"{count(totals['moves'], 'move')}: frozen for {milliseconds(totals['frozen_s'])} in all"
    said += f", median {milliseconds(totals['median_freeze_s'])}"
    console().print(f"\n{said}, longest {milliseconds(totals['longest_freeze_s'])}")
    for side, step, seconds in report.steps():
        bar = "█" * round(30 * seconds / whole)
        share = f"{100 * seconds / whole:.1f} %"
        mean = milliseconds(seconds / totals["moves"])
        console().print(f"   {side:<12}{step:<10}{mean:>9}{share:>8}  {bar}")
