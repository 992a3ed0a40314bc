"""When a journal is written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hetmig.errors import JournalError
from hetmig.node import syncing
from hetmig.node.journal import Journal
from hetmig.node.syncing import Syncing


class Disk(Journal):
    """Is full for some time."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.full = 0
        self.writes = 0

    def sync(self) -> None:
        self.writes += 1
        if self.writes <= self.full:
            raise JournalError("the disk is full")
        super().sync()


@pytest.mark.parametrize("full", [0, 2])
def test_who_waits_at_the_same_time_shares_a_write(
    tmp_path: Path, full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "_AGAIN", 0.01)
    disk = Disk(tmp_path)
    disk.full = full

    async def main() -> None:
        writing = Syncing(disk)
        await writing.written()  # there is nothing to write
        assert disk.writes == 0

        async def change(name: str) -> list[str]:
            disk.keep_record(name, {"name": name})
            await writing.written()
            return [row["name"] for row in disk.records()]

        for found in await asyncio.gather(*map(change, "abc")):
            assert found == ["a", "b", "c"]
        assert disk.writes == full + 1
        assert await change("d") == ["a", "b", "c", "d"]
        assert disk.writes == full + 2

    asyncio.run(main())
    disk.close()


def test_what_somebody_waits_for_does_not_wait_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "_PAUSE", 1e6)
    disk = Disk(tmp_path)

    async def main() -> None:
        writing = Syncing(disk)
        disk.keep_record("a", {})
        writing.soon()
        await writing.written()
        assert disk.is_written
        writing.close()

    asyncio.run(main())
    disk.close()
