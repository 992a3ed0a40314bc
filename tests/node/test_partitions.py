"""Two hosts whose network is cut in the middle of moves, and heals: one owner, nothing lost.

The hosts are network namespaces on a bridge, so cables can be pulled: libzmq, TCP and the kernel
are the real ones.  Only root can make them.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hetmig
from hetmig.client import Task, connect
from hetmig.errors import HetmigError, NodeUnreachable
from hetmig.node import embedded
from hetmig.node.keys import Keyring
from tests.node.crashes import TIMEOUT, Ledger, work

CUT_SECONDS = 8.0
"""It is to heal within 10 s."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host:
    """A network namespace with a node in it."""

    def __init__(self, network: Network, number: int, keys: Path) -> None:
        self.name, self.cable = f"{network.name}-{number}", f"{network.name}c{number}"
        self.address = f"10.213.77.{number}"
        inner = f"{network.name}i{number}"
        ip("netns", "add", self.name)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", inner)
        ip("link", "set", inner, "netns", self.name)
        ip("link", "set", self.cable, "master", network.name, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", inner)
        for device in (inner, "lo"):
            ip("-n", self.name, "link", "set", device, "up")
        self._node = subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, "-P", "-c", embedded._BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        settings = {
            "name": f"host{number}",
            "listen": f"tcp://{self.address}:7717",
            "keys": str(keys),
            "python": [sys.executable],
            "path": [str(Path(hetmig.__file__).parents[1])],
        }
        self.place = self.say(settings)["place"]

    def say(self, line: Any) -> Any:
        """Tell the node something; its answer."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps(line) + "\n")
        self._node.stdin.flush()
        return json.loads(self._node.stdout.readline())

    def cut(self, seconds: float) -> None:
        """Pull the cable, and put it back after a while."""
        ip("link", "set", self.cable, "down")
        time.sleep(seconds)  # this much time is what is to be survived
        ip("link", "set", self.cable, "up")

    def close(self) -> None:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.close()
        self._node.wait(TIMEOUT)
        self._node.stdout.close()
        ip("netns", "del", self.name)


_numbers = itertools.count(1)


class Network:
    """Two hosts, and this process, on a bridge."""

    def __init__(self, keys: Path) -> None:
        # the kernel takes a while to forget those of the test before
        self.name = f"hm{os.getpid() % 10000}{next(_numbers)}"
        self.keys = keys
        self.hosts: list[Host] = []
        ip("link", "add", self.name, "type", "bridge")
        ip("addr", "add", "10.213.77.254/24", "dev", self.name)
        ip("link", "set", self.name, "up")

    def start(self) -> None:
        self.hosts += [Host(self, number, self.keys) for number in (1, 2)]
        for host in self.hosts:
            host.say([other.place for other in self.hosts])

    def close(self) -> None:
        """End the nodes, and take everything down."""
        for host in self.hosts:
            host.close()
        ip("link", "del", self.name)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("only root can make hosts, and only on Linux")
    Keyring.create(tmp_path / "keys")
    try:
        network = Network(tmp_path / "keys")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no bridge can be made here: {getattr(error, 'stderr', error)}")
    try:
        network.start()
        yield network
    finally:
        network.close()


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
def test_a_partition_heals(network: Network, cut: int, tmp_path: Path) -> None:
    seed = int(os.environ.get("HETMIG_KILLS_SEED", "1"))
    print(f"HETMIG_KILLS_SEED={seed}")
    chance, done = random.Random(seed), threading.Event()
    go, ledger = tmp_path / "go", Ledger(tmp_path / "ledger")
    home = network.hosts[0].place
    with connect(home["endpoint"], keys=network.keys, server_key=home["key"], echo=False) as nodes:
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
            network.hosts[cut].cut(CUT_SECONDS)
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
