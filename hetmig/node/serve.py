"""Run one node until it is told to stop, as `hetmig node` and the embedded nodes do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from hetmig.errors import HetmigError, NodeUnreachable
from hetmig.node.background import spawn
from hetmig.node.caps import Caps
from hetmig.node.daemon import Node
from hetmig.node.keys import Keyring
from hetmig.node.location import policy_named
from hetmig.node.placement.catalog import policy_of
from hetmig.node.signals import ignore_sigterm
from hetmig.node.sockets import new_event_loop
from hetmig.node.tracing import tracing_of

__all__ = ["Settings", "embedded_main", "serve"]

_log = logging.getLogger("hetmig")
_JOIN_SECONDS = 3.0
"""After which a node that was not there is asked again."""
_GREET_SECONDS = 5.0
"""One that was started anew knows nobody until then."""
T = TypeVar("T")
DEFAULT_LISTEN = "tcp://127.0.0.1:7717"


@dataclass
class Settings:
    """How to run a node."""

    listen: str = DEFAULT_LISTEN
    """Endpoint to listen at, `tcp://HOST:PORT`; port 0 lets the OS choose."""
    name: str = ""
    """Empty for the host's name, with the port if that is not the usual one."""
    keys: str | Path | None = None
    """Key directory; None is the user's own, and then the node listens on loopback only."""
    join: list[str] = field(default_factory=list)
    """Endpoints of nodes to make ourselves known to."""
    advertise: str | None = None
    """The endpoint others reach us at, where it is not `listen`."""
    python: list[str] = field(default_factory=list)
    """Command that starts the Python of the runners; empty for this one."""
    spare: int = 1
    """Runners kept warm."""
    checkpoints: str = ""
    """Directory or URL for checkpoints whose submitter has chosen none."""
    sturdy: bool = False
    """Whether SIGTERM is for somebody else, who ends us: our parent, when it has checkpointed."""
    keep_parcels: str | Path | None = None
    """Directory for a copy of each parcel that departs."""
    state: str | Path | None = None
    """Directory of the journal; None for a node that forgets everything when it ends."""
    location: str = "home"
    """How it looks for tasks that have moved: "home", "chain" or "search"."""
    patience: float | None = None
    """Seconds for which another node may be silent before it is given up; None for the usual."""
    deadline: float = 25.0
    """Seconds that SIGTERM leaves it to move its tasks away, or to keep them."""
    labels: dict[str, str] = field(default_factory=dict)
    """What it is, for tasks that need that."""
    resources: dict[str, float] = field(default_factory=dict)
    """How much of what it has, for tasks that need some of it."""
    data: list[str] = field(default_factory=list)
    """Addresses of data that is near."""
    slots: int | None = None
    """Tasks that run at full speed; None for the number of processors."""
    policy: str = "none"
    """By which it moves tasks; see `hetmig.node.placement`."""
    caps: Caps = field(default_factory=Caps)
    """What the node gives at most to a message, a key, a task."""


def serve(
    settings: Settings, on_ready: Callable[[Node], None] = lambda node: None
) -> list[dict[str, Any]] | None:
    """Run a node until SIGINT ends it, or SIGTERM drains it; the report of the drain.

    `on_ready` is called once it listens.  Raises HetmigError if it cannot start.
    """
    return _run(_serve(settings, on_ready))


def _run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


async def _serve(
    settings: Settings, on_ready: Callable[[Node], None]
) -> list[dict[str, Any]] | None:
    end = _End(settings.deadline)
    # Runners are not for SIGTERM: systemd, say, sends it to all of a service's processes.
    node = end.node = await _start(replace(settings, sturdy=True))
    try:
        on_ready(node)
        joining = [spawn(_stay_joined(node, endpoint)) for endpoint in settings.join]
        await end.reached.wait()
        for each in joining:
            each.cancel()
    finally:
        await node.close()
        await asyncio.to_thread(node.tracing.close)
    return node.drains.last


class _End:
    """When a node ends: at once by SIGINT, or drained by SIGTERM; more of them hurry it."""

    def __init__(self, deadline: float) -> None:
        self.node: Node | None = None
        self.reached = asyncio.Event()
        self._deadline = deadline
        self._draining: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C is a KeyboardInterrupt
                loop.add_signal_handler(signum, self._told, signum)

    def _told(self, signum: int) -> None:
        node = self.node
        if node is None or node.drains.last is not None:
            self.reached.set()
        elif node.ending or self._draining is not None:
            node.drains.hurry()
        elif signum == signal.SIGINT:
            self.reached.set()
        else:
            self._draining = spawn(self._drain(node))

    async def _drain(self, node: Node) -> None:
        try:
            await node.drains.drain(self._deadline, ends=True)
        finally:
            self.reached.set()


async def _start(settings: Settings) -> Node:
    if settings.keep_parcels is not None:
        Path(settings.keep_parcels).mkdir(parents=True, exist_ok=True)
    chosen = policy_of(settings.policy)
    node = await Node.start(
        listen=settings.listen,
        name=settings.name or default_name(settings.listen),
        keyring=Keyring.open(settings.keys),
        advertise=settings.advertise,
        command=settings.python,
        spare=settings.spare,
        explicit_keys=settings.keys is not None,
        state=None if settings.state is None else Path(settings.state),
        sturdy=settings.sturdy,
        caps=settings.caps,
    )
    node.tracing = tracing_of(node)
    node.placing.configure(
        settings.labels, settings.resources, settings.data, settings.slots, chosen
    )
    node.checkpoints.place = settings.checkpoints
    node.watch.patience = settings.patience
    node.finding.policy = policy_named(settings.location)
    if settings.keep_parcels is not None:
        node.keep_parcels = Path(settings.keep_parcels)
    return node


def default_name(listen: str) -> str:
    """That of the machine; of more nodes on one machine, each another one."""
    host, port = socket.gethostname(), listen.rpartition(":")[2]
    if port == DEFAULT_LISTEN.rpartition(":")[2]:
        return host
    return f"{host}-{os.getpid() if port in ('0', '*') else port}"


async def _stay_joined(node: Node, endpoint: str) -> None:
    """Greet it again from time to time: if it was started anew, it knows nobody."""
    while await _join(node, endpoint):
        await asyncio.sleep(_GREET_SECONDS)


async def _join(node: Node, endpoint: str) -> bool:
    """Until it is there: of nodes that are started together, one has to be the first.

    False if it wants nothing to do with us.
    """
    said = ""
    while True:
        try:
            await node.directory.join(endpoint, node.about())
            return True
        except NodeUnreachable as error:
            if str(error) != said:
                said = str(error)
                _log.error("could not join %s yet, it is tried again: %s", endpoint, said)
        except HetmigError as error:
            _log.error("could not join %s: %s", endpoint, error)
            return False
        await asyncio.sleep(_JOIN_SECONDS)


def embedded_main(settings: dict[str, Any]) -> None:
    """Be a node whose parent talks to it by lines of JSON, and which ends with its parent.

    Says `{"place": ...}` on standard output once it listens and has a runner ready, then answers
    each list of places it is given with `{}`.
    """
    logging.basicConfig(format=f"[{settings['name']}] %(message)s", level=logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    if settings.get("sturdy"):
        ignore_sigterm()
    if os.name == "posix":
        sys.executable = settings["python"][0]
    else:  # the host's path of it means nothing to another system
        settings["python"] = [sys.executable]
    try:
        _run(_embedded(Settings(**{**settings, "caps": Caps(**settings.get("caps", {}))})))
    except HetmigError as error:
        _say({"error": str(error)})
        sys.exit(1)


async def _embedded(settings: Settings) -> None:
    node = await _start(settings)
    try:
        await node.pool.ready()
        _say({"place": node.here})
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            for place in json.loads(line):
                node.directory.learn(place)
            _say({})
    finally:
        await node.close()
        await asyncio.to_thread(node.tracing.close)


def _say(line: dict[str, Any]) -> None:
    try:
        print(json.dumps(line), flush=True)
    except BrokenPipeError:  # our parent was killed; that its other pipe is closed ends us
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
