"""A node within this process, asked directly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hetmig.errors import NotMigratable
from hetmig.node import requests as answers
from hetmig.node.daemon import Node
from hetmig.node.keys import Keyring
from hetmig.node.protocol import Message
from hetmig.state.manifest import this_python


class Spare:
    """A runner, as far as a reservation is concerned."""

    def __init__(self) -> None:
        self.exited: asyncio.Future[str] = asyncio.get_running_loop().create_future()


class SlowPool:
    """A pool whose runners are ready when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[Spare]] = []
        self.back: list[Spare] = []

    async def take(self) -> Spare:
        self.waiting.append(asyncio.get_running_loop().create_future())
        return await self.waiting[-1]

    def give_back(self, runner: Spare) -> None:
        self.back.append(runner)


def with_a_node(path: Path, test: Callable[[Node], Awaitable[None]]) -> None:
    async def run() -> None:
        keyring = Keyring.create(path / "keys")
        node = await Node.start(listen="tcp://127.0.0.1:0", name="a", keyring=keyring, spare=0)
        try:
            await asyncio.wait_for(test(node), 30)
        finally:
            await node.close()

    asyncio.run(run())


def reserve(node: Node) -> Message:
    header = {"task": "t", "python": this_python(), "home": node.here}
    return Message("reserve", header, user=node.here["key"].encode())


def test_a_runner_reserved_twice_is_not_forgotten(tmp_path: Path) -> None:
    """The second request comes when the first was given up as unanswered, but goes on."""

    async def test(node: Node) -> None:
        pool, node.pool = node.pool, SlowPool()  # type: ignore[assignment]
        slow: Any = node.pool
        requests = [asyncio.create_task(answers.reserve(node, reserve(node))) for _ in range(2)]
        while len(slow.waiting) < 2:
            await asyncio.sleep(0)
        runners = [Spare(), Spare()]
        for future, runner in zip(slow.waiting, runners, strict=True):
            future.set_result(runner)
        await asyncio.gather(*requests)
        assert slow.back == runners[:1]
        assert await node.reserved("t") is runners[1]  # type: ignore[comparison-overlap]
        assert node.reservations.take("t") is None
        node.pool = pool

    with_a_node(tmp_path, test)


def test_a_draining_node_refuses_a_task_it_was_reserved_for(tmp_path: Path) -> None:
    async def test(node: Node) -> None:
        pool, node.pool = node.pool, SlowPool()  # type: ignore[assignment]
        slow: Any = node.pool
        request = asyncio.create_task(answers.reserve(node, reserve(node)))
        while not slow.waiting:
            await asyncio.sleep(0)
        slow.waiting[0].set_result(Spare())
        await request
        assert await node.moves.drain({"timeout": 1.0}) == []
        with pytest.raises(NotMigratable, match="draining"):
            await node.reserved("t")
        node.pool = pool

    with_a_node(tmp_path, test)
