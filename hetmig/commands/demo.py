"""`hetmig demo`: a real job moves between two nodes while you watch.

It starts two nodes on this machine's loopback interface with throw-away keys, gives the first one
an index over the source of Python's standard library to make, moves it twice from outside in the
middle of its loops, lets it move once by itself, and compares the result with that of a run without
moves.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import Any

from hetmig.commands.common import (
    EXIT_FAILED,
    EXIT_OK,
    UsageError,
    add_command,
    console,
    plain,
    svg_file,
    whole_number,
)

__all__ = ["add_parser"]

EXAMPLES = """
hetmig demo
hetmig demo --plot journey.svg
hetmig demo --target arm64                the second node is a 64-bit ARM, in emulation
hetmig demo --target s390x                ... with the other byte order
hetmig demo --target 3.14                 ... another version of Python
hetmig demo --target ~/other/bin/python   ... any CPython that hetmig supports
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "demo", run, __doc__, EXAMPLES)
    parser.add_argument(
        "--target",
        metavar="NAME|PYTHON",
        help="what the second node runs on: arm64, s390x, armhf, i386, 3.14, ..., or a path",
    )
    parser.add_argument("--plot", metavar="FILE.svg", type=svg_file, help="draw the journey")
    parser.add_argument(
        "--keep-parcels", metavar="DIR", type=Path, help="leave a copy of each parcel there"
    )
    parser.add_argument("--files", metavar="N", type=_positive, help="read only so many files")


def run(arguments: argparse.Namespace) -> int:
    """Run it; the exit code is 1 if moving changed the result."""
    from hetmig.demo.run import Options, run_demo

    python = _target(arguments.target) if arguments.target else None
    if arguments.plot is not None:
        _require_writable(arguments.plot)
    if arguments.keep_parcels is not None:
        arguments.keep_parcels.mkdir(parents=True, exist_ok=True)
    options = Options(arguments.files, python, arguments.plot, arguments.keep_parcels)
    same = run_demo(console(), options)
    return EXIT_OK if same else EXIT_FAILED


def _positive(text: str) -> int:
    number = whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one file is needed")
    return number


def _require_writable(file: Path) -> None:
    """Better now than after the journey."""
    try:
        file.open("a").close()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None


def _target(name: str) -> Path:
    """The interpreter that is meant, made if need be: if there are several, that of our version."""
    from hetmig import targets

    if "/" in name or Path(name).is_file():
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise UsageError(f"there is no Python at {path}")
        return path
    ours = ".".join(platform.python_version_tuple()[:2])
    if f"{name}-{ours}" in targets.TARGETS:
        name = f"{name}-{ours}"
    if name not in targets.TARGETS:
        raise UsageError(f"no target {name!r}; there is: {', '.join(targets.TARGETS)}, or a path")
    out = console(stderr=True)
    return targets.make(name, progress=lambda line: out.print(f"[dim]{plain(line)}[/]"))
