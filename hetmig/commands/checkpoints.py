"""`hetmig checkpoint` and `resume`: keep a copy of a running task, start it again from there."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hetmig.commands.batch import nodes_for, tell_resumed
from hetmig.commands.common import (
    EXIT_OK,
    add_command,
    add_node_options,
    console,
    milliseconds,
    open_nodes,
    place,
    plain,
    print_json,
    seconds,
    size,
)

if TYPE_CHECKING:
    from hetmig.client import Task

__all__ = ["add_parser"]

CHECKPOINT = """keeps a copy of a running task, which goes on, to start it again from.

It is written by the task's node: to --to, or where that node keeps its checkpoints.
"""
CHECKPOINT_EXAMPLES = """
hetmig checkpoint crunch.py
hetmig checkpoint 3f2 --to s3://bucket/tasks     the beginning of an id is enough
"""
RESUME = """starts a task again from a checkpoint, and waits for it as `hetmig run` does.

Of a directory, it takes the newest checkpoint that is whole and authentic. What the task had done
since the checkpoint, it does again.
"""
RESUME_EXAMPLES = """
hetmig resume saved/
hetmig resume saved/3f2a91c06b7d.000001.000007.checkpoint --on arm-box
hetmig resume s3://bucket/tasks --series 3f2a91c06b7d
"""


def add_parser(commands: Any) -> None:
    """Add these commands to the parser."""
    parser = add_command(commands, "checkpoint", run_checkpoint, CHECKPOINT, CHECKPOINT_EXAMPLES)
    parser.add_argument("task", metavar="TASK", help="id or name, or the beginning of one")
    parser.add_argument("--to", metavar="DIR|URL", help="where to")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=10.0,
        help="how long to look for a safe point (default: 10)",
    )
    parser.add_argument("--stop", action="store_true", help="end the task when it is written")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_node_options(parser)

    parser = add_command(commands, "resume", run_resume, RESUME, RESUME_EXAMPLES)
    add_node_options(parser, "--on", "--node", otherwise="one of its own")
    parser.add_argument("source", metavar="FILE|DIR|URL", help="a checkpoint, or where some are")
    parser.add_argument("--series", help="which task, where a directory has several")
    parser.add_argument(
        "--key", metavar="FILE", action="append", default=[], help="the secret of another node"
    )


def run_checkpoint(arguments: argparse.Namespace) -> int:
    """Have one made and print where it is."""
    from hetmig.commands.tasks import find_task

    with open_nodes(arguments, echo=False) as nodes:
        info = find_task(nodes, arguments.task)
        task = nodes.task(info.id)
        saved = task.checkpoint(arguments.to, timeout=arguments.timeout, stop=arguments.stop)
    if arguments.json:
        print_json(asdict(saved))
        return EXIT_OK
    out = console()
    out.print(plain(saved.where))
    out.print(
        f"[bold]{plain(info.name)}[/]: {size(saved.bytes)}, frozen {milliseconds(saved.freeze_s)},"
        f" at {plain(saved.function)} ({plain(place(saved.file, saved.line))})"
    )
    if not saved.portable:
        out.print(f"for this version of Python only: {plain(saved.pinned_because)}")
    return EXIT_OK


def run_resume(arguments: argparse.Namespace) -> int:
    """Start it again, wait; the exit code is the script's own."""
    from hetmig.node.checkpoint_keys import finder
    from hetmig.node.keys import Keyring
    from hetmig.state.checkpoint import load

    keyring = Keyring.open(arguments.keys)
    find = finder(keyring.directory, arguments.key)
    loaded = load(arguments.source, find, arguments.series)
    tell_resumed(loaded)
    with nodes_for(arguments) as nodes:
        task = nodes.resume(loaded)
        try:
            return _wait(task, is_script=bool(loaded.task.get("file")))
        except KeyboardInterrupt:
            task.cancel()
            raise


def _wait(task: Task, *, is_script: bool) -> int:
    from hetmig.commands.script import wait

    code = wait(task)
    if code == EXIT_OK and not is_script and task.exception() is None:
        print(repr(task.result()))
    return code
