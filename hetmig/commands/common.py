"""What the commands share: options, exit codes, abbreviated names, and how numbers are shown."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hetmig.errors import HetmigError, NodeUnreachable, ParcelError, Unauthorized
from hetmig.units import milliseconds, size

if TYPE_CHECKING:
    from rich.console import Console

    from hetmig.client import Nodes
    from hetmig.node.keys import Keyring
    from hetmig.options import Options

__all__ = [
    "DEFAULT_NODE",
    "EXIT_AGAIN",
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "HelpFormatter",
    "UsageError",
    "add_command",
    "add_keys_option",
    "add_node_options",
    "byte_count",
    "chosen",
    "console",
    "endpoint",
    "exit_code",
    "milliseconds",
    "open_nodes",
    "pick",
    "place",
    "plain",
    "print_json",
    "print_rows",
    "seconds",
    "size",
    "svg_file",
    "time_span",
    "whole_number",
]

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NO_NODE, EXIT_PARCEL, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: stopped, and kept; the same command goes on."""

DEFAULT_NODE = "tcp://127.0.0.1:7717"
_CONNECT_SECONDS = 5.0
_LISTENER_SECONDS = 1.5
_LONGEST_SECONDS = 1e6
_TIME_UNITS = {"s": 1, "m": 60, "h": 3600}
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}

T = TypeVar("T")


class UsageError(HetmigError):
    """The command line names something that is not there.  Look at `hetmig COMMAND --help`."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves the examples as they are written and the options with room to read."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def format_help(self) -> str:
        """The text; the names of commands are indented, which argparse forgets to count."""
        self._action_max_length += self._indent_increment
        return super().format_help()


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
    examples: str = "",
) -> argparse.ArgumentParser:
    """Add a command: `about` is a sentence, or a module's docstring; `examples` go below."""
    description = about.partition(": ")[2] if about.startswith("`hetmig ") else about
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description.partition("\n")[0].rstrip("."),
        description=description[0].upper() + description[1:],
        epilog="examples:\n" + textwrap.indent(examples.strip(), "  ") if examples else None,
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_keys_option(parser: argparse.ArgumentParser) -> None:
    """Add --keys."""
    parser.add_argument("--keys", metavar="DIR", help="directory of keys (default: this user's)")


def add_node_options(parser: argparse.ArgumentParser, *names: str, otherwise: str = "") -> None:
    """Add --node (or the given names for it) and --keys, which `open_nodes` reads.

    With `otherwise`, which says what is done then, the node is None if nobody has named one.
    """
    last = otherwise or DEFAULT_NODE
    parser.add_argument(
        *(names or ("--node",)),
        dest="node",
        metavar="NODE",
        default=os.environ.get("HETMIG_NODE", None if otherwise else DEFAULT_NODE),
        help=f"the node to ask, by URL or name (default: $HETMIG_NODE, or {last})",
    )
    add_keys_option(parser)


def endpoint(text: str) -> str:
    """The type of an option which is the address of a node."""
    from hetmig.node.keys import check_endpoint

    try:
        return check_endpoint(text)
    except HetmigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def svg_file(text: str) -> Path:
    """The type of an option which is a file to draw to."""
    if os.path.splitext(text)[1].lower() not in (".svg", ""):
        raise argparse.ArgumentTypeError(f"it is drawn as SVG, and not as {text!r}: say FILE.svg")
    return Path(text)


def whole_number(text: str) -> int:
    """The type of an option which is a number of things."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of them")
    return int(text)


def print_rows(rows: list[list[str]]) -> None:
    """Columns as other tools print them: no frames, so that `awk` and eyes can read them."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    *firm, last = zip(*rows, strict=True)
    for column in firm:  # where there is no room, it is the last one that is cut off
        table.add_column(column[0], no_wrap=True, min_width=max(map(len, column)))
    table.add_column(last[0], no_wrap=True)
    for row in rows[1:]:
        table.add_row(*map(plain, row))
    console().print(table)


def chosen(nodes: Nodes, arguments: argparse.Namespace) -> Options:
    """What --name, --need and --files say of a script.  Raises UsageError."""
    needs = _needs_of(arguments.need)
    return nodes.with_options(name=arguments.name, needs=needs, files=arguments.files)


def _needs_of(words: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE of --need: a number is an amount, if it is not of a label that all nodes have.

    Raises UsageError.
    """
    from hetmig.node.placement.needs import DATA, labels_of_this_machine, pair

    needs: dict[str, Any] = {}
    labels = labels_of_this_machine("")
    for word in words:
        try:
            name, value = pair(word)
        except ValueError as error:
            raise UsageError(f"--need {error}") from None
        if name == DATA:
            needs[name] = [*needs.get(name, []), value]
            continue
        try:
            needs[name] = value if name in labels else float(value)
        except ValueError:
            needs[name] = value
    return needs


def byte_count(text: str) -> int:
    """The type of an option which is an amount of bytes: 4096, 512K, 256M, 2G (powers of 1024)."""
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if not number.isdecimal() or unit not in _UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no size, such as 4096, 256M or 2G")
    return int(number) << _UNITS[unit]


def seconds(text: str) -> float:
    """The type of an option which is a time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def time_span(text: str) -> float:
    """The type of an option which is a time: 25, 25s, 2m, 1h."""
    unit = text[-1:].lower()
    if unit in _TIME_UNITS:
        return seconds(text[:-1]) * _TIME_UNITS[unit]
    return seconds(text)


def open_nodes(arguments: argparse.Namespace, *, echo: bool = True) -> Nodes:
    """Connect to the node of `add_node_options`."""
    from hetmig.node.keys import Keyring

    keyring = Keyring.open(arguments.keys)
    node = arguments.node if "://" in arguments.node else _endpoint(arguments.node, keyring)
    return _connect(node, keyring, echo=echo)


def _connect(address: str, keyring: Keyring, *, echo: bool) -> Nodes:
    from hetmig.client import connect
    from hetmig.node.keys import check_endpoint

    try:
        check_endpoint(address)
    except HetmigError as error:
        raise UsageError(str(error)) from None
    keyring.find(address)
    _require_listener(address)
    return connect(address, keys=keyring, timeout=_CONNECT_SECONDS, echo=echo)


def _require_listener(address: str) -> None:
    """Tell a node that is not there from one that is slow to answer; ZeroMQ would try for ever.

    A node that was started just now gets a moment.  Raises NodeUnreachable.
    """
    from hetmig.silence import nothing_at

    host, _, port = address.removeprefix("tcp://").rpartition(":")
    until = time.monotonic() + _LISTENER_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise NodeUnreachable(nothing_at(address), endpoint=address) from None
            time.sleep(0.1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NodeUnreachable(f"{address}: {reason}", endpoint=address) from None


def _endpoint(name: str, keyring: Keyring) -> str:
    """Where the node of this name listens, as our keys say, or the usual node.

    Raises UsageError.
    """
    if re.fullmatch(r".+:\d+", name):
        raise UsageError(f"there is no node {name!r}; an address is written tcp://{name}")
    known = {entry.name: entry.endpoint for entry in keyring if entry.name and entry.endpoint}
    silent = ""
    if name not in known:
        usual = os.environ.get("HETMIG_NODE", DEFAULT_NODE)
        try:
            usual = usual if "://" in usual else DEFAULT_NODE
            with _connect(usual, keyring, echo=False) as nodes:
                known.update({node.name: node.endpoint for node in nodes.nodes()})
        except (NodeUnreachable, Unauthorized) as error:
            silent = f" (as our keys say; the node that may know more can't be asked: {error})"
    try:
        return pick(name, known, "node")
    except UsageError as error:
        raise UsageError(f"{error}{silent}") from None


def exit_code(error: HetmigError) -> int:
    """Which of the documented exit codes an error ends in."""
    if isinstance(error, UsageError):
        return EXIT_USAGE
    if isinstance(error, NodeUnreachable | Unauthorized):
        return EXIT_NO_NODE
    if isinstance(error, ParcelError):
        return EXIT_PARCEL
    return EXIT_FAILED


def console(*, stderr: bool = False) -> Console:
    """Where to print for people: in colour on a terminal, plain text in a pipe."""
    from rich.console import Console

    screen = Console(stderr=stderr, highlight=False)
    if not screen.is_terminal:
        screen.soft_wrap = True  # who reads the lines wants them whole
        if "COLUMNS" not in os.environ:
            screen.width = 120  # and tables need not be squeezed into 80 columns
    return screen


def print_json(value: Any) -> None:
    """Print for programs."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def plain(value: object) -> str:
    """Foreign text made safe to print: no markup, and nothing that steers the terminal."""
    from rich.markup import escape

    text = str(value)
    return escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def place(file: str, line: int) -> str:
    """file:line, the file relative to here if it is below."""
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    return f"{file if relative.startswith('..') else relative}:{line}"


def pick(name: str, candidates: Mapping[str, T], what: str) -> T:
    """The candidate called `name`, or the only one whose name begins so.

    Raises `UsageError` when there is none, or more than one.
    """
    if name in candidates:
        return candidates[name]
    fitting = [key for key in candidates if key.startswith(name)]
    if len(fitting) == 1:
        return candidates[fitting[0]]
    if fitting:
        raise UsageError(f"{what} {name!r} could be {', '.join(sorted(fitting))}")
    known = ", ".join(sorted(candidates)) or "none"
    raise UsageError(f"there is no {what} {name!r}; there is: {known}")
