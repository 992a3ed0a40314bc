"""`hetmig node`: this machine works for others, until Ctrl-C.

Whoever holds an authorised key can run any code here, as this user. Without --keys, these are this
user's own programs on this machine, and nobody else.
"""

from __future__ import annotations

import argparse
import logging
import socket
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    DEFAULT_NODE,
    EXIT_OK,
    add_command,
    add_keys_option,
    endpoint,
    whole_number,
)

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["add_parser"]

EXAMPLES = """
hetmig node
hetmig node --name second --listen tcp://127.0.0.1:0 --join tcp://127.0.0.1:7717
hetmig node --name arm-box --listen tcp://0.0.0.0:7717 --advertise tcp://arm-box:7717 \\
            --keys ~/.config/hetmig/keys
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "node", run, __doc__, EXAMPLES)
    parser.add_argument(
        "--listen",
        metavar="URL",
        type=endpoint,
        default=DEFAULT_NODE,
        help=f"tcp://ADDRESS:PORT, port 0 for any (default: {DEFAULT_NODE})",
    )
    parser.add_argument(
        "--advertise",
        metavar="URL",
        type=endpoint,
        help="how others reach it, if not at that address",
    )
    parser.add_argument(
        "--name", default=socket.gethostname(), help="default: the name of this machine"
    )
    add_keys_option(parser)
    parser.add_argument(
        "--join", metavar="URL", action="append", default=[], help="another node to be known to"
    )
    parser.add_argument(
        "--runners",
        metavar="N",
        type=whole_number,
        default=1,
        help="processes kept ready for tasks that arrive (default: 1)",
    )
    parser.add_argument(
        "--keep-parcels", metavar="DIR", help="leave a copy of each parcel that departs there"
    )
    parser.add_argument(
        "--checkpoints",
        metavar="DIR|URL",
        default="",
        help="where checkpoints are kept (default: in this user's directory for such data)",
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens, to stderr")


def run(arguments: argparse.Namespace) -> int:
    """Run it until SIGINT or SIGTERM."""
    from hetmig.node.serve import Settings, serve
    from hetmig.submitted import place_of

    level = logging.DEBUG if arguments.verbose else logging.WARNING
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("hetmig").setLevel(level)
    settings = Settings(
        listen=arguments.listen,
        name=arguments.name,
        keys=arguments.keys,
        join=arguments.join,
        advertise=arguments.advertise,
        spare=arguments.runners,
        keep_parcels=arguments.keep_parcels,
        checkpoints=arguments.checkpoints and place_of(arguments.checkpoints),
    )
    serve(settings, _say_ready)
    print("stopped")
    return EXIT_OK


def _say_ready(node: Node) -> None:
    place = node.here
    told = "" if node.listens_on == place["endpoint"] else f", for others {place['endpoint']}"
    print(f"node {place['name']} listens on {node.listens_on}{told}; Ctrl-C ends it", flush=True)
