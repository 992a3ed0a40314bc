"""`hetmig ps` and `mv`: what runs where, and carry on over there."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    UsageError,
    add_command,
    add_node_options,
    console,
    milliseconds,
    open_nodes,
    pick,
    place,
    plain,
    print_json,
    print_rows,
    seconds,
    size,
)
from hetmig.rendering import progress_text

if TYPE_CHECKING:
    from hetmig.client import NodeInfo, Nodes, TaskInfo

__all__ = [
    "ALIVE",
    "add_parser",
    "duration",
    "find_any",
    "find_task",
    "node_name",
    "node_rows",
    "node_state",
    "progress",
    "replica_of",
    "task_rows",
    "with_offers",
]

ALIVE = ("running", "kept", "unreachable", "unresponsive")
"""States of what is there, as far as is known."""

PS = "the tasks, actors and objects of a node, and where each of them is, or the nodes it knows."
PS_EXAMPLES = """
hetmig ps
hetmig ps --nodes
hetmig ps --json | jq '.tasks[] | select(.state == "running") | .id'
"""
MV = """moves a running task to another node, from wherever it stands; or an actor, or an object.

If it can't be moved in time, it goes on where it is, and the reason is printed.
"""
MV_EXAMPLES = """
hetmig mv crunch.py arm-box
hetmig mv 3f2 tcp://192.168.1.7:7717     the beginning of an id is enough
"""


def add_parser(commands: Any) -> None:
    """Add these commands to the parser."""
    parser = add_command(commands, "ps", run_ps, PS, PS_EXAMPLES)
    parser.add_argument("--nodes", action="store_true", help="the nodes in place of the tasks")
    parser.add_argument("--all", action="store_true", help="those that have ended, too")
    _add_common_options(parser)

    parser = add_command(commands, "mv", run_mv, MV, MV_EXAMPLES)
    parser.add_argument("task", metavar="TASK", help="id or name, or the beginning of one")
    parser.add_argument("to", metavar="NODE", help="where to: name or URL")
    _add_timeout(parser, 10.0)
    _add_common_options(parser)


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    add_node_options(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_timeout(parser: argparse.ArgumentParser, default: float) -> None:
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=default,
        help=f"how long to try (default: {default:g})",
    )


def run_ps(arguments: argparse.Namespace) -> int:
    """List tasks, or nodes."""
    with open_nodes(arguments, echo=False) as nodes:
        if arguments.nodes:
            _show_nodes(nodes.nodes(), as_json=arguments.json)
        else:
            tasks = nodes.tasks()
            living = (*ALIVE, "replica")
            shown = [task for task in tasks if arguments.all or task.state in living]
            _show_tasks(tasks if arguments.json else shown, as_json=arguments.json)
    return EXIT_OK


def _show_tasks(tasks: list[TaskInfo], *, as_json: bool) -> None:
    if as_json:
        print_json({"tasks": [asdict(task) for task in tasks]})
        return
    print_rows(task_rows(tasks))


def task_rows(tasks: Sequence[TaskInfo]) -> list[list[str]]:
    """A table of tasks, with its heads."""
    rows = [["TASK", "NAME", "STATE", "NODE", "PROGRESS", "HOPS", "AGE", "WHAT"]]
    with_replicas = any(task.replica for task in tasks)
    if with_replicas:
        rows[0].append("REPLICA")
    for task in tasks:
        age = "" if task.submitted is None else duration(time.time() - task.submitted)
        row = [task.id, task.name, task.state, task.node, progress(task), str(task.hops), age]
        rows.append([*row, task.what, *([replica_of(task)] if with_replicas else [])])
    return rows


def replica_of(task: TaskInfo) -> str:
    """Where its warm copy is, and how old."""
    if task.replica is None or task.replicated is None:
        return ""
    return f"{task.replica}, {duration(max(time.time() - task.replicated, 0.0))} old"


def _show_nodes(nodes: list[NodeInfo], *, as_json: bool) -> None:
    if as_json:
        print_json({"nodes": [asdict(node) for node in nodes]})
        return
    print_rows(node_rows(nodes))


def node_rows(nodes: Sequence[NodeInfo]) -> list[list[str]]:
    """A table of nodes, with its heads."""
    rows = [["NODE", "LISTENS ON", "TASKS", "PYTHON", "MACHINE", "STATE"]]
    for node in nodes:
        python: Mapping[str, Any] = node.python or {}
        tasks = "" if node.tasks is None else str(node.tasks)
        version, machine = python.get("version", ""), python.get("machine", "")
        row = [node.name, node.endpoint, tasks, version, machine, node_state(node)]
        rows.append(row)
    with_offers(rows[0], rows[1:], nodes)
    return rows


def with_offers(heads: list[str], rows: list[list[str]], nodes: Sequence[NodeInfo]) -> None:
    """Add a column for what nodes have, if there is any such thing."""
    if any(found := [_offers(node) for node in nodes]):
        heads.append("HAS")
        for row, words in zip(rows, found, strict=True):
            row.append(words)


def _offers(node: NodeInfo) -> str:
    """What a node's owner has said of it, beyond what every node says of itself."""
    usual = ("node", "arch", "system", "python")
    policy = [part for part in (node.policy or "none").split(":") if "=" not in part]
    words = [] if policy == ["none"] else [f"policy {':'.join(policy)}"]
    words += [f"{k}={label}" for k, label in (node.labels or {}).items() if k not in usual]
    for name, amount in (node.resources or {}).items():
        words.append(f"{name}={amount - (node.used or {}).get(name, 0):g}/{amount:g}")
    return " ".join([*words, *(node.data or [])])


def node_state(node: NodeInfo) -> str:
    """Whether it takes tasks."""
    return "draining" if node.draining else "up" if node.reachable else "does not answer"


def progress(task: TaskInfo) -> str:
    """What it reported last, as people read it."""
    if task.progress is None:
        return ""
    return progress_text(*task.progress)


def duration(age: float) -> str:
    """A time as people read it."""
    if age < 100:
        return f"{age:.0f} s"
    if age < 6000:
        return f"{age / 60:.0f} min"
    return f"{age / 3600:.0f} h"


def run_mv(arguments: argparse.Namespace) -> int:
    """Move a task and print the hop."""
    with open_nodes(arguments, echo=False) as nodes:
        task = find_task(nodes, arguments.task)
        hop = nodes.move(task.id, node_name(nodes, arguments.to, arguments.keys), arguments.timeout)
    if arguments.json:
        print_json(hop.to_json())
        return EXIT_OK
    frames = "1 frame" if hop.frames == 1 else f"{hop.frames} frames"
    where = f", at {plain(hop.function)} ({plain(place(hop.file, hop.line))})" if hop.frames else ""
    console().print(
        f"[bold]{plain(task.name)}[/] went from {plain(hop.source)} to {plain(hop.destination)}:"
        f" frozen {milliseconds(hop.freeze_s)}, {size(hop.bytes)}, {frames}{where}"
    )
    return EXIT_OK


def find_task(nodes: Nodes, wanted: str) -> TaskInfo:
    """The running task meant by an id, a name, or the beginning of one."""
    running = [task for task in nodes.tasks() if task.state in ALIVE]
    by_id = {task.id: task for task in running}
    if wanted in by_id:
        return by_id[wanted]
    matches = [t for t in running if t.name == wanted] or [
        t for t in running if t.id.startswith(wanted) or t.name.startswith(wanted)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        listed = ", ".join(f"{task.id} ({task.name})" for task in matches)
        raise UsageError(f"task {wanted!r} could be {listed}")
    known = ", ".join(f"{task.id} ({task.name})" for task in running) or "none"
    raise UsageError(f"no task {wanted!r} runs here; there is: {known}{_ask_others(nodes)}")


def find_any(nodes: Nodes, wanted: str) -> TaskInfo:
    """The task meant, one that has ended too; of several of a name, the newest."""
    tasks = nodes.tasks()
    if named := [task for task in tasks if task.name == wanted]:
        return max(named, key=lambda task: task.submitted or 0.0)
    known = {task.id: task for task in tasks}
    fitting = [task.id for task in tasks if task.name.startswith(wanted)]
    if len(fitting) == 1 and not any(id.startswith(wanted) for id in known):
        return known[fitting[0]]
    try:
        return pick(wanted, known, "task")
    except UsageError as error:
        if any(id.startswith(wanted) for id in known):
            raise
        raise UsageError(f"{error}{_ask_others(nodes)}") from None


def _ask_others(nodes: Nodes) -> str:
    """Where else somebody may look who does not find a task: it may have another home by now."""
    here, *others = nodes.nodes()
    if not others:
        return ""
    names = ", ".join(sorted(node.name for node in others)[:3])
    return f"; that is what {here.name} is the home of: others are asked with --node ({names})"


def node_name(nodes: Nodes, wanted: str, keys: str | None) -> str:
    """The full name of a node that may be abbreviated; a URL is left as it is.

    Beside the nodes that the asked one has met, those it may know by our keys.
    """
    from hetmig.node.keys import Keyring

    if "://" in wanted:
        return wanted
    met = nodes.nodes()
    names = {node.name for node in met}
    endpoints = {node.endpoint for node in met}
    names |= {
        entry.name
        for entry in Keyring.open(keys)
        if entry.name and entry.endpoint and entry.endpoint not in endpoints
    }
    return pick(wanted, {name: name for name in names}, "node")
