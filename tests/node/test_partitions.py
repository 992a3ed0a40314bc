"""Two hosts whose network is cut in the middle of moves, and heals: one owner, nothing lost."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hetmig.client import Task, connect
from hetmig.errors import HetmigError, NodeUnreachable
from tests.node.crashes import TIMEOUT
from tests.node.ledgers import Ledger, work
from tests.node.networks import CanNot, Network, network

CUT_SECONDS = 8.0
"""It is to heal within 10 s."""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Network]:
    try:
        with network(tmp_path, ["host1", "host2"]) as made:
            yield made
    except CanNot as error:
        pytest.skip(str(error))


def hops(task: Task) -> int:
    """How often it has moved, as soon as anybody can say."""
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            return len(task.journey())
        except NodeUnreachable:
            assert time.monotonic() < until


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(0, id="home", marks=pytest.mark.exhaustive),
        pytest.param(1, id="other", marks=pytest.mark.nightly),
    ],
)
def test_a_partition_heals(hosts: Network, cut: int, tmp_path: Path) -> None:
    seed = int(os.environ.get("HETMIG_KILLS_SEED", "1"))
    print(f"HETMIG_KILLS_SEED={seed}")
    chance, done = random.Random(seed), threading.Event()
    go, ledger = tmp_path / "go", Ledger(tmp_path / "ledger")
    home = hosts[0].place
    with connect(home["endpoint"], keys=hosts.keys, server_key=home["key"], echo=False) as nodes:
        task = nodes.submit(work, str(ledger.path), str(go), 5)

        def commute() -> None:
            while not done.is_set():
                for host in ("host2", "host1"):
                    try:
                        nodes.move(task.id, host, 3)
                    except HetmigError:
                        done.wait(0.02)

        commuting = threading.Thread(target=commute)
        commuting.start()
        try:
            done.wait(chance.uniform(0.3, 1.0))
            hosts[cut].cut(CUT_SECONDS)
            moved = hops(task)
            until = time.monotonic() + TIMEOUT
            while hops(task) <= moved and time.monotonic() < until:
                done.wait(0.05)
            assert hops(task) > moved, "it has not moved since"
        finally:
            done.set()
            commuting.join()
        go.touch()
        assert ledger.check(task.result(TIMEOUT)) == 0
