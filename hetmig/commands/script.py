"""`hetmig run`: runs a plain script as a task.

It runs as `python SCRIPT` would, but is able to move. Everything after SCRIPT goes to the script;
what it prints appears here. Ctrl-C ends it, wherever it is.

With --checkpoint, a copy of it is kept in DIR from time to time. The same command, started again
after a kill or a power failure, goes on from the newest copy. SIGTERM has a last copy made and ends
with exit code 75: start it again.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.commands import batch
from hetmig.commands.common import (
    DEFAULT_NODE,
    EXIT_FAILED,
    EXIT_OK,
    UsageError,
    add_command,
    add_node_options,
    chosen,
    open_nodes,
)
from hetmig.redirection.opening import POLICIES

if TYPE_CHECKING:
    from hetmig.client import Task

__all__ = ["add_parser", "wait"]

EXAMPLES = """
hetmig run crunch.py data/ --fast
hetmig run --on arm-box crunch.py
hetmig mv crunch.py tcp://127.0.0.1:40001     meanwhile, in another terminal
hetmig run --need zone=secure --need gpu=1 train.py
hetmig run --checkpoint saved --every 60 crunch.py data/
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "run", run, __doc__, EXAMPLES)
    otherwise = f"{DEFAULT_NODE}, with --checkpoint one of its own"
    add_node_options(parser, "--on", "--node", otherwise=otherwise)
    parser.add_argument(
        "--need",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what a node must have: a label, an amount of a resource, data=URL",
    )
    batch.add_options(parser)
    parser.add_argument(
        "--name", metavar="NAME", help="by which messages find it (default: that of the file)"
    )
    parser.add_argument(
        "--files",
        metavar="POLICY",
        choices=POLICIES,
        help="what becomes of the files it opens when it moves: home, reopen, carry or refuse "
        "(default); see docs/files.md",
    )
    parser.add_argument("script", metavar="SCRIPT", help="a Python file on this machine")
    rest = parser.add_argument(
        "arguments", metavar="...", nargs=argparse.REMAINDER, help="arguments for the script"
    )
    rest.required = False  # there may be none, and who forgets SCRIPT is told of that alone


def run(arguments: argparse.Namespace) -> int:
    """Submit it and wait; the exit code is the script's own."""
    _check_syntax(arguments.script)
    if arguments.checkpoint is not None:
        return batch.run(arguments)
    batch.check_unused(arguments)
    arguments.node = arguments.node or DEFAULT_NODE
    with open_nodes(arguments) as nodes:
        task = chosen(nodes, arguments).run_script(
            arguments.script, arguments.arguments, stdin=sys.stdin
        )
        try:
            return wait(task)
        except KeyboardInterrupt:
            task.cancel()
            raise


def _check_syntax(script: str) -> None:
    """Say here what Python would say over there."""
    try:
        compile(Path(script).read_bytes(), script, "exec", dont_inherit=True)
    except OSError as error:
        raise UsageError(f"{script}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise UsageError("".join(traceback.format_exception_only(error)).rstrip()) from None


def wait(task: Task) -> int:
    """The exit code of a task that was a script; what it raised is printed.

    Raises HetmigError if it could not be run.
    """
    from hetmig.client import RemoteTraceback
    from hetmig.errors import HetmigError

    try:
        error = task.exception()
    except CancelledError:
        raise HetmigError(f"{task.name} ({task.id}) was cancelled") from None
    if error is None:
        return EXIT_OK
    if isinstance(error, SystemExit):
        return _status(error)
    if isinstance(error, HetmigError) and not isinstance(error.__cause__, RemoteTraceback):
        raise error
    sys.stderr.write(str(getattr(error.__cause__, "text", error)))
    return EXIT_FAILED


def _status(ended: SystemExit) -> int:
    """What `python` makes of `sys.exit(code)`."""
    if ended.code is None or isinstance(ended.code, int):
        return int(ended.code or 0)
    print(ended.code, file=sys.stderr)
    return EXIT_FAILED
