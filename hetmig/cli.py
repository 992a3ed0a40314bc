"""The `hetmig` command: parses, dispatches, and turns errors into one sentence and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hetmig._version import __version__
from hetmig.commands import COMMANDS
from hetmig.commands.common import EXIT_FAILED, EXIT_INTERRUPTED, HelpFormatter, exit_code
from hetmig.commands.parser import Parser
from hetmig.errors import HetmigError

__all__ = ["build_parser", "main"]

DESCRIPTION = "Moves a running Python program to another machine, where it carries on."
EPILOG = """\
exit codes:
  0  done
  1  the task failed or could not be moved, or a check did not pass
  2  wrong usage, or a name that fits nothing or several things
  3  the node does not answer, or does not know our key
  4  a parcel was rejected: damaged, forged, too large, or of another version
 75  stopped, and kept (a checkpoint, a journal): the same command goes on
130  interrupted with Ctrl-C

start here:
  hetmig demo                      a real job moves between two nodes while you watch
  hetmig node                      this machine works for others, until Ctrl-C
  hetmig run --on NODE script.py   a plain script as a task over there
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser with all its commands."""
    parser = Parser(
        prog="hetmig", description=DESCRIPTION, epilog=EPILOG, formatter_class=HelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"hetmig {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except HetmigError as error:
        print(f"hetmig: {error}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        print("hetmig: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough; and nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"hetmig: {error}", file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
