"""`hetmig trace`: the journey of a task, and where it stood still for how long."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    UsageError,
    add_command,
    add_node_options,
    console,
    milliseconds,
    open_nodes,
    plain,
    print_json,
    size,
    svg_file,
)
from hetmig.commands.tasks import ALIVE, find_any, replica_of

if TYPE_CHECKING:
    from rich.console import Console

    from hetmig.client import TaskInfo
    from hetmig.journey import Hop

__all__ = ["add_parser"]

ABOUT = "shows the journey of a task: each move, its steps, and how long each of them took."
EXAMPLES = """
hetmig trace crunch.py
hetmig trace 3f2 --plot journey.svg
hetmig trace 3f2 --json | jq '.hops[].freeze_s'
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "trace", run, ABOUT, EXAMPLES)
    parser.add_argument("task", metavar="TASK", help="id or name, or the beginning of one")
    parser.add_argument("--plot", metavar="FILE.svg", type=svg_file, help="draw it")
    add_node_options(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print the journey, and draw it."""
    with open_nodes(arguments, echo=False) as nodes:
        task = find_any(nodes, arguments.task)
        hops = [hop for hop in nodes.moves() if hop.task == task.id]
    if arguments.plot is not None:
        if not hops:
            raise UsageError(f"task {task.id} has not moved: there is nothing to draw")
        _draw(arguments.plot, task, hops)
        console(stderr=True).print(f"drawn: {plain(arguments.plot)}")
    if arguments.json:
        print_json({"task": asdict(task), "hops": [hop.to_json() for hop in hops]})
        return EXIT_OK
    out = console()
    count = f"{len(hops)} {'move' if len(hops) == 1 else 'moves'}"
    about = f"{plain(task.id)}, {plain(task.state)} on {plain(task.node)}"
    replica = f"; replica at {plain(replica_of(task))}" if task.replica else ""
    out.print(f"[bold]{plain(task.name)}[/] {about}: {count}{replica}")
    for number, hop in enumerate(hops, 1):
        _print_hop(out, number, hop)
    return EXIT_OK


def _print_hop(out: Console, number: int, hop: Hop) -> None:
    out.print(
        f"\n[bold]{number}. {plain(hop.source)} → {plain(hop.destination)}[/] frozen "
        f"[bold]{milliseconds(hop.freeze_s)}[/], {size(hop.bytes)}, asked by "
        f"{plain(hop.requested_by)}, {milliseconds(hop.wait_s)} to a safe point"
    )
    for step in hop.steps:
        share = step.seconds / hop.freeze_s if hop.freeze_s else 0.0
        bar = "█" * round(30 * min(share, 1.0))
        out.print(f"   {step.side:<12}{step.step:<10}{milliseconds(step.seconds):>9}  {bar}")


def _draw(file: Path, task: TaskInfo, hops: Sequence[Hop]) -> None:
    from hetmig.commands.plot import journey_of

    began = task.submitted if task.submitted is not None else hops[0].start_time
    end = hops[-1].start_time + hops[-1].freeze_s
    if task.state in ALIVE:
        end = max(time.time(), end)
    title = f"{task.name}: {len(hops)} {'move' if len(hops) == 1 else 'moves'}"
    file.write_text(journey_of(title, hops, min(began, hops[0].start_time), end), "utf-8")
