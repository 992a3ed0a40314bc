"""Who is where: the nodes this one has heard of, its connections, and reports on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq.asyncio

from hetmig.errors import HetmigError, NodeUnreachable, Unauthorized
from hetmig.node import protocol
from hetmig.node.background import spawn
from hetmig.node.caller import RUN
from hetmig.node.keys import Certificate, Keyring, z85_key
from hetmig.node.link import Link
from hetmig.node.protocol import Buffer, Message, want

__all__ = ["Directory", "Outbox", "certificate_of"]

_log = logging.getLogger("hetmig")
_HELLO_SECONDS = 5.0


class Directory:
    """A place is `{"name", "endpoint", "key"}`: a node, where it listens, its public key."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        keyring: Keyring,
        here: dict[str, Any],
        on_note: Callable[[Message, Link], None],
    ) -> None:
        self._context = context
        self._keyring = keyring
        self._on_note = on_note
        self._links: dict[str, Link] = {}
        self._outboxes: dict[str, Outbox] = {}
        self.here = here
        self.places: dict[str, dict[str, Any]] = {here["name"]: here}

    def learn(self, place: dict[str, Any]) -> None:
        """Remember a place, if its key is authorised."""
        said = protocol.place_of(place)
        is_other = said["name"] != self.here["name"]
        if is_other and self._keyring.is_node(said["key"].encode("ascii", "replace")):
            self.places[said["name"]] = said

    def meet(self, place: dict[str, Any]) -> None:
        """Remember a node that says hello.  Raises HetmigError if it has our name."""
        said = protocol.place_of(place)
        name, endpoint = said["name"], said["endpoint"]
        if name == self.here["name"] and endpoint != self.here["endpoint"]:
            raise HetmigError(
                f"the node at {self.here['endpoint']} is called {name!r} as well: give the one at "
                f"{endpoint} another name (`hetmig node --name`)"
            )
        before = self.places.get(name, said)["endpoint"]
        self.learn(place)
        if before != endpoint and self.places.get(name) == said:
            _log.warning(
                "%s is at %s now, it was at %s: if both are there, give one another --name",
                *(name, endpoint, before),
            )

    def others(self) -> list[str]:
        """The names of all other nodes known here."""
        return [name for name in self.places if name != self.here["name"]]

    def is_here(self, target: str) -> bool:
        """Whether a name or endpoint means this node."""
        return target in (self.here["name"], self.here["endpoint"])

    async def reach(
        self, target: str, about: dict[str, Any], timeout: float = _HELLO_SECONDS
    ) -> Link:
        """A connection to the node of this name or endpoint, which has just answered.

        Raises NodeUnreachable or Unauthorized.
        """
        link = self.link(await self._resolve(target, about))
        await self._greet(link, about, timeout)
        return link

    async def acquaint(self, place: dict[str, Any], about: dict[str, Any], timeout: float) -> Link:
        """The connection to a place somebody told us of, where at least once somebody answered.

        Raises NodeUnreachable, Unauthorized, or HetmigError for a key we do not authorise.
        """
        self.outbox(place)  # which looks at the key
        link = self.link(Certificate(z85_key(want(place, "key", str)), endpoint=place["endpoint"]))
        if not link.peer:
            await self._greet(link, about, timeout)
        if link.peer["name"] != place["name"]:  # of the same keys, on another machine
            raise NodeUnreachable(f"the node there is {link.peer['name']}")
        return link

    async def join(self, endpoint: str, about: dict[str, Any]) -> None:
        """Make ourselves known to a node, and learn whom it knows."""
        await self.reach(endpoint, about)

    def link(self, certificate: Certificate) -> Link:
        """The connection to an endpoint, made if there is none; it may still be dead."""
        link = self._links.get(certificate.endpoint)
        if link is not None and link.server_key != certificate.public:
            spawn(link.close())  # another node took over that endpoint
            link = None
        if link is None:
            link = Link(self._context, self._keyring.identity, certificate, self._on_note)
            self._links[certificate.endpoint] = link
        return link

    def require_node(self, link: Link) -> None:
        """Raise Unauthorized if a node may not have tasks of ours."""
        if not self._keyring.is_node(link.server_key):
            key = link.server_key.decode()
            raise Unauthorized(
                f"{link.name or link.endpoint} may not run tasks of {self.here['name']}, where its "
                f"key lacks the right {RUN!r}: `hetmig keys authorize --rights run -- '{key}'`",
                missing=RUN,
            )

    def outbox(self, place: dict[str, Any]) -> Outbox:
        """Where to put reports for the home node at that place."""
        endpoint, key = want(place, "endpoint", str), z85_key(want(place, "key", str))
        if not self._keyring.is_node(key):  # any more, perhaps
            raise Unauthorized(
                f"the home node {endpoint} has a key that is not authorized here as a node: "
                f"`hetmig keys authorize --rights run -- '{key.decode()}'` gives it that right",
                missing=RUN,
            )
        if endpoint not in self._outboxes:
            self._outboxes[endpoint] = Outbox(self.link(Certificate(key, endpoint=endpoint)))
        return self._outboxes[endpoint]

    def take_out(
        self, task: str, home: dict[str, Any]
    ) -> list[tuple[str, str, dict[str, Any], Sequence[Buffer]]]:
        """What homes other than this one have not acknowledged of a task; it is not sent there."""
        return [
            (endpoint, *report)
            for endpoint, outbox in self._outboxes.items()
            if endpoint != home["endpoint"]
            for report in outbox.take_out(task)
        ]

    def unheard(self) -> set[str]:
        """Tasks of which something was reported to homes that do not answer."""
        return {task for outbox in self._outboxes.values() for task in outbox.unheard()}

    @property
    def reported(self) -> set[str]:
        """The tasks of whom home nodes have not confirmed everything yet."""
        return {task for outbox in self._outboxes.values() for task in outbox.tasks}

    def heard_of(self, key: bytes) -> None:
        """The node with this key has just asked us something: it is there again."""
        for outbox in self._outboxes.values():
            if outbox.key == key:
                outbox.wake()

    @property
    def unacknowledged(self) -> int:
        """Reports that home nodes have not confirmed yet."""
        return sum(outbox.size for outbox in self._outboxes.values())

    async def close(self) -> None:
        """Close all connections."""
        for outbox in self._outboxes.values():
            outbox.close()
        for link in self._links.values():
            await link.close()

    async def _greet(
        self, link: Link, about: dict[str, Any], timeout: float = _HELLO_SECONDS
    ) -> None:
        welcome = await link.hello(about, timeout=min(max(timeout, 1.0), _HELLO_SECONDS))
        for place in want(welcome, "nodes", list):
            self.learn(place)

    async def _resolve(self, target: str, about: dict[str, Any]) -> Certificate:
        found = self._known(target)
        if found is None and not target.startswith("tcp://"):
            for name in self.others():
                try:
                    await self._greet(self.link(certificate_of(self.places[name])), about)
                except HetmigError as error:
                    _log.info("%s could not be asked for %s: %s", name, target, error)
            found = self._known(target)
        if found is None and not target.startswith("tcp://"):
            known = ", ".join(sorted(self.places))
            reason = f"no node named {target!r} is known here; there is: {known}"
            raise NodeUnreachable(reason, target=target)
        return found or self._keyring.find(target)

    def _known(self, target: str) -> Certificate | None:
        for place in self.places.values():
            if target in (place["name"], place["endpoint"]):
                return certificate_of(place)
        try:
            return self._keyring.find(target)
        except NodeUnreachable:
            return None


class Outbox:
    """Reports to one home node, each repeated until it is acknowledged.

    To a home node that does not answer nothing is sent but the question whether it is back: libzmq
    would keep every repetition in memory until then.
    """

    INTERVAL = 1.0
    """Seconds after which a report is sent again."""
    LONGEST_INTERVAL = 30.0
    ANSWER_SECONDS = 2.0

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open: dict[str, tuple[float, dict[str, Any], Sequence[Buffer]]] = {}
        self._answers = True
        self._awake = asyncio.Event()
        self._repeater: asyncio.Task[None] | None = None

    @property
    def key(self) -> bytes:
        """The home node's."""
        return self._link.server_key

    @property
    def tasks(self) -> set[str]:
        """Of whom there are reports which are not acknowledged yet."""
        return {header["task"] for _, header, _ in self._open.values()}

    def wake(self) -> None:
        """The home node is there: what waits for it need not wait longer."""
        if not self._answers:
            self._awake.set()

    @property
    def size(self) -> int:
        """Reports not acknowledged yet."""
        return len(self._open)

    def add(self, key: str, header: dict[str, Any], payload: Sequence[Buffer]) -> None:
        """Send a report; `key` names it."""
        header = {**header, "report": key}
        self._open[key] = (time.monotonic(), header, payload)
        if self._answers:
            self._link.post(protocol.REPORT, header, payload)
        if self._repeater is None or self._repeater.done():
            self._repeater = asyncio.create_task(self._repeat())

    def post(self, header: dict[str, Any]) -> None:
        """Send a report which may get lost."""
        if self._answers:
            self._link.post(protocol.REPORT, header)

    def acknowledge(self, key: str) -> None:
        """The home node has it."""
        self._open.pop(key, None)

    def of_task(self, task: str) -> list[tuple[dict[str, Any], Sequence[Buffer]]]:
        """What the home node has not acknowledged of a task."""
        reports = [(header, payload) for _, header, payload in self._open.values()]
        return [report for report in reports if report[0]["task"] == task]

    def take_out(self, task: str) -> list[tuple[str, dict[str, Any], Sequence[Buffer]]]:
        """Its reports, as (key, header, payload); they are not sent from here any more."""
        keys = [key for key, (_, header, _) in self._open.items() if header["task"] == task]
        taken = [(key, *self._open.pop(key)[1:]) for key in keys]
        return [(key, without(header, "report"), payload) for key, header, payload in taken]

    def unheard(self) -> set[str]:
        """The tasks of its reports, if the home node does not answer."""
        return set() if self._answers else {h["task"] for _, h, _ in self._open.values()}

    def close(self) -> None:
        """Give up."""
        if self._repeater is not None:
            self._repeater.cancel()

    async def _repeat(self) -> None:
        pause = self.INTERVAL
        while self._open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), pause)
            self._awake.clear()
            late = time.monotonic() - self.INTERVAL
            if all(sent > late for sent, *_ in self._open.values()):
                continue
            self._answers = await self._is_there()
            pause = self.INTERVAL if self._answers else min(2 * pause, self.LONGEST_INTERVAL)
            for key, (sent, header, payload) in list(self._open.items()):
                if self._answers and sent <= late:
                    self._open[key] = (time.monotonic(), header, payload)
                    self._link.post(protocol.REPORT, header, payload)

    async def _is_there(self) -> bool:
        try:
            await self._link.request(protocol.STATUS, {}, timeout=self.ANSWER_SECONDS)
        except HetmigError:
            return False
        return True


def without(header: dict[str, Any], item: str) -> dict[str, Any]:
    """The header, but for one item."""
    return {name: value for name, value in header.items() if name != item}


def certificate_of(place: dict[str, Any]) -> Certificate:
    """How to connect to a place."""
    return Certificate(place["key"].encode(), place["name"], place["endpoint"])
