"""How a client hears of a task from its home node: what it writes, its record, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hetmig.errors import HetmigError, HomeMoved, NodeUnreachable, TaskLost
from hetmig.homes import Homes
from hetmig.hops import Hops
from hetmig.node import protocol
from hetmig.node.protocol import Message
from hetmig.state import image
from hetmig.state.manifest import check_python
from hetmig.state.parcel import open_sealed

__all__ = ["End", "Follower", "Following"]

_POLL_SECONDS = 5.0
_AGAIN_SECONDS = 0.05


@dataclass
class End:
    """How a task ended, still frozen: the node said so, nothing was unpickled yet."""

    ok: bool
    traceback: str = ""
    """The remote traceback, as text; empty if it ended well or was never run."""
    error: HetmigError | None = None
    """What went wrong outside the task's own code."""
    frozen: image.Image | None = None
    manifest: dict[str, Any] = field(default_factory=dict)

    def value(self) -> Any:
        """Unpickle the result or the exception.  Raises what `hetmig.loads` raises."""
        assert self.frozen is not None
        check_python(self.manifest)
        return image.thaw(self.frozen)


@dataclass
class Follower:
    """Whom to tell about a task; all three are called in the event loop."""

    output: Callable[[str, bytes], None]
    changed: Callable[[dict[str, Any]], None]
    ended: Callable[[End], None]
    wanted: Callable[[int], None] | None = None
    """Is told the number of the piece of standard input for which the task waits."""
    delivered: Callable[[], Awaitable[None]] | None = None
    """Waits until the output has arrived where it is to go: only then is it confirmed."""


class Following:
    """One task, followed from its beginning to its end, wherever its home is by then."""

    def __init__(
        self, homes: Homes, task: str, follower: Follower, *, is_owner: bool, patience: float
    ) -> None:
        """`patience`: seconds for which its home may be silent before it counts as lost."""
        self._homes = homes
        self._task = task
        self._follower = follower
        self._is_owner = is_owner
        self._patience = patience
        self._after = 0
        """The number of the last piece of output that was heard."""
        self._version = -1
        self._hops = Hops()
        self._heard = time.monotonic()

    async def run(self) -> None:
        """Ask again and again; the last that the follower is told is the task's end."""
        end = None
        while end is None:
            try:
                end = await self._take(await self._ask())
            except HomeMoved as moved:
                with contextlib.suppress(NodeUnreachable):
                    await self._homes.moved(self._task, moved)
            except NodeUnreachable as error:
                end = await self._missed(error)
            except HetmigError as error:
                end = End(ok=False, error=error)
        self._follower.ended(end)

    async def _ask(self) -> Message:
        header = {
            "task": self._task,
            "after": self._after,
            # one that is known has the node wait until there is another
            "version": self._version if self._hops.is_complete else -1,
            "mark": self._hops.mark,
            "owner": self._is_owner,
            "peers": len(self._homes.peers),
            "stdin": self._follower.wanted is not None,
        }
        link = self._homes.link(self._task)
        return await link.request(protocol.FOLLOW, header, timeout=2 * _POLL_SECONDS)

    async def _missed(self, error: NodeUnreachable) -> End | None:
        if not await self._homes.seek(self._task):
            if time.monotonic() - self._heard > self._patience:
                lost = TaskLost(f"the home node does not answer any more: {error}")
                return End(ok=False, error=lost)
            self._homes.missed(self._task, self._patience)
            await asyncio.sleep(_AGAIN_SECONDS)
        return None

    async def _take(self, news: Message) -> End | None:
        self._heard = time.monotonic()
        self._homes.heard(self._task)
        self._homes.learn(news.header.get("peers", self._homes.peers))
        pieces = news.header["pieces"]
        for (number, stream), data in zip(pieces, news.payload, strict=False):
            self._after = number
            self._follower.output(stream, bytes(data))
        if pieces and self._follower.delivered is not None:
            await self._follower.delivered()
        self._hops.add(news.header)
        if news.header["version"] != self._version and self._hops.is_complete:
            self._version = news.header["version"]
            self._follower.changed({**news.header["task"], "hops": self._hops.all()})
        if self._follower.wanted is not None and news.header.get("input") is not None:
            self._follower.wanted(news.header["input"])
        return None if news.header["outcome"] is None else _end(news, len(pieces))


def _end(news: Message, pieces: int) -> End:
    outcome = news.header["outcome"]
    end = End(outcome["ok"], outcome["traceback"])
    if outcome["error"] is not None:
        end.error = protocol.rebuild_error(outcome["error"])
        return end
    try:
        session = bytes.fromhex(news.header["session"])
        parcel = open_sealed(news.payload[pieces:], session)
        end.frozen, end.manifest = image.Image.of_parcel(parcel), parcel.manifest
    except HetmigError as error:
        end.error = error
    return end
