"""`hetmig node`: this machine works for others, until Ctrl-C.

Whoever holds an authorised key can run any code here, as this user. Without --keys, these are this
user's own programs on this machine, and nobody else.
"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    DEFAULT_NODE,
    EXIT_OK,
    add_command,
    add_keys_option,
    byte_count,
    endpoint,
    seconds,
    time_span,
    whole_number,
)
from hetmig.commands.drain import DEADLINE, exit_code_of, show

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.serve import Settings

__all__ = ["CAPS", "add_parser", "settings_of"]

EXAMPLES = """
hetmig node
hetmig node --name second --listen tcp://127.0.0.1:0 --join tcp://127.0.0.1:7717
hetmig node --name arm-box --listen tcp://0.0.0.0:7717 --advertise tcp://arm-box:7717 \\
            --keys ~/.config/hetmig/keys
"""

CAPS: dict[str, tuple[str, Any, str, str, str]] = {
    "memory_per_task": (
        "--memory-per-task",
        byte_count,
        "SIZE",
        "memory of one task; 0 is no cap",
        "the memory of this machine",
    ),
    "cpu_per_task": (
        "--cpu-per-task",
        whole_number,
        "SECONDS",
        "processor time of one task on this node; 0 is no cap",
        "0",
    ),
    "runners": ("--max-runners", whole_number, "N", "tasks that run at once", "500"),
    "tasks_per_key": (
        "--max-tasks-per-key",
        whole_number,
        "N",
        "living tasks and actors of one key",
        "1000",
    ),
    "total": ("--max-total", byte_count, "SIZE", "of a message, and so of a task that moves", "2G"),
    "frame": ("--max-frame", byte_count, "SIZE", "of one frame, such as a large array", "1G"),
    "frames": ("--max-frames", whole_number, "N", "frames of one message", "4096"),
    "header": ("--max-header", byte_count, "SIZE", "of the JSON at its head", "16M"),
    "depth": ("--max-depth", whole_number, "N", "levels of that JSON", "100"),
}
"""For each of the node's caps its option, type, metavar, meaning and default, in words."""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "node", run, __doc__, EXAMPLES)
    _add_place(parser)
    parser.add_argument(
        "--runners",
        metavar="N",
        type=whole_number,
        default=1,
        help="processes kept ready for tasks that arrive (default: 1)",
    )
    _add_keeping(parser)
    _add_waiting(parser)
    _add_telling(parser)
    _add_placement(parser)
    parser.add_argument("--verbose", action="store_true", help="log what happens, to stderr")
    _add_caps(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
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
        "--name", help="default: the name of this machine, and the port if it is not the usual one"
    )
    add_keys_option(parser)
    parser.add_argument(
        "--join",
        metavar="URL",
        type=_other,
        action="append",
        default=[],
        help="another node to be known to",
    )


def _add_keeping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-parcels", metavar="DIR", help="leave a copy of each parcel that departs there"
    )
    parser.add_argument(
        "--checkpoints",
        metavar="DIR|URL",
        default="",
        help="where checkpoints are kept (default: in this user's directory for such data)",
    )
    parser.add_argument(
        "--state",
        metavar="DIR",
        help="where its journal is, with which it goes on after a crash; 'none' for no journal "
        "(default: in this user's directory for such data; none if the port is 0)",
    )


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--location",
        choices=("home", "chain", "search"),
        default="home",
        help="how messages find a task that has moved: ask its home node, follow the forwarding "
        "addresses, or search (default: home)",
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=seconds,
        help="for how long another node may be silent before it is given up (default: 15, or 600 "
        "if it has a journal and the task no checkpoint)",
    )
    parser.add_argument(
        "--deadline",
        metavar="TIME",
        type=time_span,
        default=DEADLINE,
        help=f"after SIGTERM, to move tasks away or keep them (default: {DEADLINE:g}s)",
    )


def _add_telling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log",
        choices=("text", "json"),
        default="text",
        help="what the log on stderr is made of (default: text)",
    )
    parser.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        type=_address,
        help="answer Prometheus there; a PORT alone is on loopback (needs hetmig[prometheus])",
    )


def _add_placement(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "placement", "What it offers to tasks that need something, and how it moves tasks."
    )
    group.add_argument(
        "--label", metavar="NAME=TEXT", type=_label, action="append", default=[], help="what it is"
    )
    group.add_argument(
        "--resource",
        metavar="NAME=N",
        type=_resource,
        action="append",
        default=[],
        help="how much it has of something that tasks use up",
    )
    group.add_argument(
        "--data", metavar="URL", action="append", default=[], help="data that is near, all below it"
    )
    group.add_argument(
        "--slots",
        metavar="N",
        type=whole_number,
        help="tasks that run at full speed, for policies to reckon with (default: processors)",
    )
    group.add_argument(
        "--policy",
        metavar="NAME[:KEY=VALUE,...]",
        default="none",
        help="none, place, threshold, steal, age, divide, or MODULE:CLASS of your own "
        "(default: none)",
    )


def _other(text: str) -> str:
    """A node: its address, or a name of our keys."""
    return endpoint(text) if ":" in text else text


def _label(text: str) -> tuple[str, str]:
    from hetmig.node.placement.needs import pair

    try:
        return pair(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _resource(text: str) -> tuple[str, float]:
    name, amount = _label(text)
    try:
        if not 0 <= float(amount) < float("inf"):
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{amount!r} is no amount of {name}") from None
    return name, float(amount)


def _add_caps(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "caps", "What the node takes and gives at most. Sizes may have a unit: 512K, 256M, 2G."
    )
    for name, (option, kind, metavar, about, default) in CAPS.items():
        group.add_argument(
            option,
            dest=f"cap_{name}",
            type=kind,
            metavar=metavar,
            help=f"{about} (default: {default})",
        )


def run(arguments: argparse.Namespace) -> int:
    """Run it until SIGINT, or until SIGTERM has drained it."""
    from hetmig.node import logs, metrics
    from hetmig.node.serve import default_name, serve
    from hetmig.state.stores import store_at

    settings = settings_of(arguments)
    settings.name = settings.name or default_name(settings.listen)
    logs.start(arguments.log, settings.name, verbose=arguments.verbose)
    if arguments.metrics is not None:
        metrics.require()
    if settings.checkpoints:
        store_at(settings.checkpoints)  # better now than at the first checkpoint

    def ready(node: Node) -> None:
        if arguments.metrics is not None:
            host, port = arguments.metrics
            port = metrics.Metrics(node).serve(host, port)
            print(f"metrics at http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
        _say_ready(node)

    report = serve(settings, ready)
    if report is not None:
        show(settings.name, report)
    print("stopped")
    return EXIT_OK if report is None else exit_code_of(report)


def _address(text: str) -> tuple[str, int]:
    from hetmig.node.metrics import address

    try:
        return address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The node that the options describe."""
    from hetmig.node.caps import Caps
    from hetmig.node.serve import Settings
    from hetmig.submitted import place_of

    chosen = {name: getattr(arguments, f"cap_{name}") for name in CAPS}
    return Settings(
        listen=arguments.listen,
        name=arguments.name or "",
        keys=arguments.keys,
        join=arguments.join,
        advertise=arguments.advertise,
        spare=arguments.runners,
        deadline=arguments.deadline,
        keep_parcels=arguments.keep_parcels,
        state=_state(arguments.state, arguments.name or socket.gethostname(), arguments.listen),
        patience=arguments.patience,
        location=arguments.location,
        checkpoints=arguments.checkpoints and place_of(arguments.checkpoints),
        labels=dict(arguments.label),
        resources=dict(arguments.resource),
        data=arguments.data,
        slots=arguments.slots,
        policy=arguments.policy,
        caps=Caps(**{name: value for name, value in chosen.items() if value is not None}),
    )


def _state(chosen: str | None, name: str, listen: str) -> Path | None:
    """The journal's directory: each name and port has its own."""
    port = listen.rpartition(":")[2]
    if chosen == "none" or (chosen is None and port in ("0", "*")):
        return None
    if chosen is not None:
        return Path(chosen)
    from hetmig.node.directories import state_directory

    return state_directory("nodes", f"{name}-{port}")


def _say_ready(node: Node) -> None:
    place = node.here
    told = "" if node.listens_on == place["endpoint"] else f", for others {place['endpoint']}"
    print(f"node {place['name']} listens on {node.listens_on}{told}; Ctrl-C ends it", flush=True)
    going_on = sum(hosted.is_known for hosted in node.tasks.values())
    if going_on:
        what = "task goes" if going_on == 1 else "tasks go"
        print(f"{going_on} {what} on from the journal {node.journal.directory}", flush=True)
