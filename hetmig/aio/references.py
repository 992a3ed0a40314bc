"""Tasks to send messages to, on asyncio; those of other home nodes have nothing else to offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetmig.errors import AlreadyThere
from hetmig.hops import Hops
from hetmig.journey import Hop
from hetmig.node import protocol
from hetmig.node.messages.content import settle
from hetmig.node.methods import freeze_message
from hetmig.sending import within

if TYPE_CHECKING:
    from hetmig.aio.nodes import Nodes
    from hetmig.sending import Posted

__all__ = ["SentMessage", "TaskRef", "request", "send"]

_GRACE_SECONDS = 30.0


class SentMessage:
    """A message that the task's mailbox has accepted."""

    def __init__(self, posted: Posted) -> None:
        self._posted = posted

    @property
    def detour(self) -> bool:
        """Whether our node looked for the task where it was no more, and then found it."""
        return self._posted.detour

    async def received(self, timeout: float | None = None) -> None:
        """Wait until the task has received it.

        Raises NotReceived if it has ended before, TaskLost if nobody can say, TimeoutError.
        """
        settle(await within(self._posted, timeout))


class TaskRef:
    """A task whose home is another node: it has everything but its result."""

    def __init__(self, nodes: Nodes, task: str, name: str, home: dict[str, Any]) -> None:
        self.id = task
        self.name = name
        self.home = home
        """The place of its home node: name, endpoint, key."""
        self._nodes = nodes

    def __repr__(self) -> str:
        return f"<hetmig.aio.TaskRef {self.id} {self.name} of {self.home['name']}>"

    async def send(self, value: object, timeout: float | None = None) -> SentMessage:
        """Send it a message; returns when its mailbox has accepted it."""
        return await send(self._nodes, (self.id, self.name, self.home), value, timeout)

    async def request(self, value: object, timeout: float | None = None) -> Any:
        """Send it a request and wait for the reply."""
        return await request(self._nodes, (self.id, self.name, self.home), value, timeout)

    async def where(self) -> str:
        """The name of the node it is on, or was last.  Raises NoSuchObject or NodeUnreachable."""
        return str((await self._summary())["node"])

    async def journey(self) -> list[Hop]:
        """All its completed moves, in order."""
        hops = Hops()
        while not hops.is_complete:
            hops.add(await self._ask(protocol.WHERE, {"mark": hops.mark}))
        return [Hop.from_json(hop) for hop in hops.all()]

    async def move(self, to: str, timeout: float = 10.0) -> Hop:
        """Move it to the node `to`; the move that brought it there.  Raises as `Task.move`."""
        more = {"to": to, "timeout": timeout}
        try:
            told = await self._ask(protocol.MOVE_OBJECT, more, 2 * timeout)
        except AlreadyThere:
            if journey := await self.journey():
                return journey[-1]
            raise
        return Hop.from_json(told["hop"])

    async def cancel(self) -> None:
        """End it at once, without letting it clean up."""
        await self._ask(protocol.DELETE)

    async def _summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = (await self._ask(protocol.WHERE))["task"]
        return summary

    async def _ask(
        self, kind: str, more: dict[str, Any] | None = None, seconds: float = 0.0
    ) -> dict[str, Any]:
        header = {"task": self.id, "home": self.home, **(more or {})}
        connection = self._nodes._connection
        return (await connection.ask(kind, header, None, seconds + _GRACE_SECONDS))[0]


async def send(
    nodes: Nodes, address: tuple[str, str, dict[str, Any]], value: object, timeout: float | None
) -> SentMessage:
    """Send a message; returns when it was accepted."""
    task, name, home = address
    frozen = freeze_message(value)
    return SentMessage(await nodes._connection.send(task, home, frozen, timeout, name=name))


async def request(
    nodes: Nodes, address: tuple[str, str, dict[str, Any]], value: object, timeout: float | None
) -> Any:
    """Send a request and wait for the reply."""
    frozen = freeze_message(value)
    return settle(await nodes._connection.replied(address, frozen, timeout))
