"""What the home node does again and again for its tasks elsewhere."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hetmig.node import watch
from hetmig.node.record import Record
from hetmig.node.watch import Watch

HERE = {"name": "a", "endpoint": "tcp://127.0.0.1:1", "key": "k"}


def test_a_node_is_told_once_at_a_time_that_its_copy_is_void(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is silent, so the question lasts longer than the pause between two looks."""
    record = Record({"id": "t", "name": "job", "home": HERE, "epoch": 1}, HERE)
    record.given_up.append({**HERE, "name": "b"})
    asked: list[Record] = []

    async def fence(record: Record) -> None:
        asked.append(record)
        await asyncio.Event().wait()

    async def main() -> None:
        node: Any = SimpleNamespace(home=SimpleNamespace(records={"t": record}), here=HERE)
        looking = Watch(node)
        monkeypatch.setattr(looking._restarting, "fence", fence)
        running = asyncio.create_task(looking.run())
        for _ in range(100):
            await asyncio.sleep(0)
        running.cancel()

    monkeypatch.setattr(watch, "INTERVAL", 0)
    asyncio.run(main())
    assert asked == [record]
