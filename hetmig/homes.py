"""A client's connections to the nodes that are homes of its tasks, as these move or are lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from hetmig.errors import HetmigError, HomeMoved
from hetmig.node import protocol
from hetmig.node.keys import Certificate, z85_key
from hetmig.node.link import Link
from hetmig.node.rehoming.seeking import seek

__all__ = ["Homes"]

_log = logging.getLogger("hetmig")
_HELLO_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
_SEEK_AGAIN_SECONDS = 2.0
_SILENCE_SECONDS = 2.0
"""After which somebody who waits is told why."""


class Homes:
    """By task; of one that has never moved it is the node to which this client has connected."""

    def __init__(self, first: Link, connect: Callable[[Certificate], Link], about: Any) -> None:
        """`connect` makes a link; `about` is how this client introduces itself."""
        self.first = first
        self.peers: list[dict[str, Any]] = []
        """Other nodes, of which the first one has told."""
        self._connect, self._about = connect, about
        self._links: dict[str, Link] = {first.endpoint: first}
        self._of: dict[str, Link] = {}
        self._sought: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}
        self._lamented: set[str] = set()
        """Endpoints of which it was said that they are silent."""

    def link(self, task: str | None) -> Link:
        """The connection to a task's home."""
        return self.first if task is None else self._of.get(task, self.first)

    async def moved(self, task: str, to: HomeMoved | dict[str, Any]) -> None:
        """Somebody who knows says where the home of a task is now.

        Raises NodeUnreachable or Unauthorized.
        """
        place = to.data if isinstance(to, HomeMoved) else to
        link = self._to(place)
        if not link.peer:
            await link.hello(self._about, timeout=_HELLO_SECONDS)
        self._of[task] = link

    async def seek(self, task: str) -> bool:
        """The home does not answer: ask the others; whether there is a new one.  Not too often."""
        now = time.monotonic()
        if now < self._sought.get(task, 0.0):
            return False
        self._sought[task] = now + _SEEK_AGAIN_SECONDS
        silent = self.link(task)
        others = [place for place in self.peers if place["endpoint"] != silent.endpoint]

        async def ask(place: dict[str, Any]) -> dict[str, Any]:
            link = self._to(place)
            if not link.peer:
                await link.hello(self._about, timeout=_ANSWER_SECONDS)
            header = {"task": task}
            return (await link.request(protocol.HOME, header, timeout=_ANSWER_SECONDS)).header

        found = await seek(ask, others)
        if found is None or found[0]["endpoint"] == silent.endpoint:
            return False
        try:
            await self.moved(task, found[0])
        except HetmigError:
            return False
        return True

    def missed(self, task: str, patience: float) -> None:
        """The home does not answer; it is waited for, for so many seconds.  Says so, once."""
        home, now = self.link(task), time.monotonic()
        since = self._silent_since.setdefault(home.endpoint, now)
        if now - since >= _SILENCE_SECONDS and home.endpoint not in self._lamented:
            self._lamented.add(home.endpoint)
            text = "%s (%s) does not answer; it is waited for, %.0f s at most"
            _log.warning(text, home.name or "the node", home.endpoint, patience)

    def heard(self, task: str) -> None:
        """The home has answered."""
        home = self.link(task)
        self._silent_since.pop(home.endpoint, None)
        if home.endpoint in self._lamented:
            self._lamented.remove(home.endpoint)
            _log.warning("%s (%s) answers again", home.name or "the node", home.endpoint)

    def learn(self, nodes: list[Any]) -> None:
        """The nodes that the first one knows."""
        self.peers = [place for place in nodes if isinstance(place, dict)]

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(link.close() for link in self._links.values()))

    def _to(self, place: dict[str, Any]) -> Link:
        endpoint, key = str(place["endpoint"]), z85_key(str(place["key"]))
        link = self._links.get(endpoint)
        if link is None or link.server_key != key:
            link = self._connect(Certificate(key, str(place["name"]), endpoint))
            self._links[endpoint] = link
        return link
