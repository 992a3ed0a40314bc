"""`hetmig top`: nodes, tasks and the last moves, live."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    add_command,
    add_node_options,
    console,
    milliseconds,
    open_nodes,
    plain,
    seconds,
    size,
)
from hetmig.commands.tasks import ALIVE, duration, node_state, progress, with_offers

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from hetmig.client import NodeInfo, Nodes, TaskInfo
    from hetmig.journey import Hop

__all__ = ["add_parser"]

ABOUT = "shows nodes, tasks and the last moves, again and again until Ctrl-C."
EXAMPLES = """
hetmig top
hetmig top arm-box --every 0.5
hetmig top --once                one frame, as it is in a pipe
"""
_MOVES = 8


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "top", run, ABOUT, EXAMPLES)
    parser.add_argument("asked", metavar="NODE", nargs="?", help="the node to ask, as with --node")
    parser.add_argument("--once", action="store_true", help="one frame, and no more")
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=seconds,
        default=1.0,
        help="how often to look (default: 1)",
    )
    add_node_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show one frame, or one after the other."""
    arguments.node = arguments.asked or arguments.node
    out = console()
    with open_nodes(arguments, echo=False) as nodes:
        if arguments.once or not out.is_terminal:
            out.print(_frame(nodes))
            return EXIT_OK
        from rich.live import Live

        with (
            contextlib.suppress(KeyboardInterrupt),
            Live(_frame(nodes), console=out, screen=True, auto_refresh=False) as live,
        ):
            while True:
                time.sleep(arguments.every)
                live.update(_frame(nodes), refresh=True)
    return EXIT_OK


def _frame(nodes: Nodes) -> RenderableType:
    from rich.console import Group

    living = [task for task in nodes.tasks() if task.state in ALIVE]
    last = list(reversed(nodes.moves(_MOVES)))
    return Group(_nodes(nodes.nodes()), "", _tasks(living), "", _moves(last, nodes.tasks()))


def _nodes(found: Sequence[NodeInfo]) -> Table:
    rows = []
    for node in found:
        python: Mapping[str, Any] = node.python or {}
        rows.append(
            [
                node.name,
                node_state(node),
                str(python.get("version", "")),
                _machine(python),
                _number(node.tasks),
                _number(node.runners),
                "" if node.memory is None else size(node.memory),
                "" if node.latency_s is None else milliseconds(node.latency_s),
            ]
        )
    heads = ["NODE", "STATE", "PYTHON", "MACHINE", "TASKS", "RUNNERS", "MEMORY", "LATENCY"]
    with_offers(heads, rows, found)
    return _table(heads, rows, numbers=range(4, 8))


def _tasks(found: Sequence[TaskInfo]) -> Table:
    rows = []
    for task in found:
        frozen = "" if task.freeze_s is None else milliseconds(task.freeze_s)
        nbytes = "" if task.bytes is None else size(task.bytes)
        row = [task.id, task.name, task.node, task.state, progress(task), str(task.hops)]
        rows.append([*row, frozen, nbytes])
    heads = ["TASK", "NAME", "NODE", "STATE", "PROGRESS", "MOVES", "FROZEN", "BYTES"]
    return _table(heads, rows, numbers=range(5, 8))


def _moves(hops: Sequence[Hop], tasks: Sequence[TaskInfo]) -> Table:
    names = {task.id: task.name for task in tasks}
    rows = []
    for hop in hops:
        way = f"{hop.source} → {hop.destination}"
        ago = duration(max(time.time() - hop.start_time, 0.0))
        row = [names.get(hop.task, hop.task), way, hop.requested_by, ago]
        rows.append([*row, milliseconds(hop.freeze_s), size(hop.bytes)])
    heads = ["LAST MOVES", "WAY", "ASKED BY", "AGO", "FROZEN", "BYTES"]
    return _table(heads, rows, numbers=range(3, 6))


def _table(heads: list[str], rows: list[list[str]], numbers: range) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for place, heading in enumerate(heads):
        table.add_column(heading, no_wrap=True, justify="right" if place in numbers else "left")
    for row in rows:
        table.add_row(*map(plain, row))
    return table


def _machine(python: Mapping[str, Any]) -> str:
    words = [str(python.get("system", "")), str(python.get("machine", ""))]
    return " ".join(word for word in words if word)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
