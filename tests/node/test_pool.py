"""What the node hears from its runners."""

from __future__ import annotations

import asyncio
from typing import Any

from hetmig.node.pool import Pool

_MESSAGES = 1000


class _Chatty:
    """A socket on which there is always a message."""

    def __init__(self) -> None:
        self.received = 0

    async def recv_multipart(self, copy: bool) -> list[Any]:
        self.received += 1
        if self.received > _MESSAGES:
            raise asyncio.CancelledError
        return []


def test_who_writes_without_a_pause_leaves_others_their_turn() -> None:
    pool: Any = object.__new__(Pool)
    pool._socket = _Chatty()
    pool._dispatch = lambda frames: None
    turns: list[int] = []

    async def other() -> None:
        while pool._socket.received < _MESSAGES:
            turns.append(pool._socket.received)
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(pool._read(), other(), return_exceptions=True)

    asyncio.run(both())
    assert len(turns) > 10
