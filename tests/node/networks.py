"""Hosts whose cables can be pulled: network namespaces on a bridge, with a node in each.

libzmq, TCP and the kernel are the real ones.  Only root can make them, and only on Linux.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import hetmig
from hetmig.node.embedded import LocalNode
from hetmig.node.keys import Keyring

__all__ = ["CanNot", "Host", "Network", "network"]

_numbers = itertools.count(1)


class CanNot(Exception):
    """There can be no such network here; the text says why."""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host(LocalNode):
    """A network namespace with a node in it."""

    def __init__(self, network: Network, number: int, name: str, state: str | None) -> None:
        self.space, self._cable = f"{network.name}-{number}", f"{network.name}c{number}"
        self._address = f"10.213.77.{number}"
        inner = f"{network.name}i{number}"
        _ip("netns", "add", self.space)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", self.space)
        _ip("link", "set", self._cable, "master", network.name, "up")
        _ip("-n", self.space, "addr", "add", f"{self._address}/24", "dev", inner)
        for device in (inner, "lo"):
            _ip("-n", self.space, "link", "set", device, "up")
        super().__init__(
            name,
            [sys.executable],
            [str(Path(hetmig.__file__).parents[1])],
            network.keys,
            state=state,
            within=["ip", "netns", "exec", self.space],
            more={"listen": f"tcp://{self._address}:7717"},
        )

    def cut(self, seconds: float) -> None:
        """Pull the cable, and put it back after a while."""
        _ip("link", "set", self._cable, "down")
        time.sleep(seconds)  # this much time is what is to be survived
        _ip("link", "set", self._cable, "up")

    def remove(self) -> None:
        """End the node, and take its host away."""
        self.stop()
        _ip("netns", "del", self.space)


class Network:
    """Hosts, and this process, on a bridge."""

    def __init__(self, keys: Path) -> None:
        # the kernel takes a while to forget those of the test before
        self.name = f"hm{os.getpid() % 10000}{next(_numbers)}"
        self.keys = keys
        self.nodes: list[Host] = []
        _ip("link", "add", self.name, "type", "bridge")
        _ip("addr", "add", "10.213.77.254/24", "dev", self.name)
        _ip("link", "set", self.name, "up")

    def __getitem__(self, index: int) -> Host:
        return self.nodes[index]

    def start(self, names: Sequence[str], state: Path | None = None) -> None:
        """Make a host for each name; with their journals below `state`."""
        for number, name in enumerate(names, 1):
            journal = None if state is None else str(state / name)
            self.nodes.append(Host(self, number, name, journal))
        for host in self.nodes:
            host.wait_until_ready()
        for host in self.nodes:
            host.introduce([other.place for other in self.nodes])

    def close(self) -> None:
        """End the nodes, and take everything down."""
        for host in self.nodes:
            host.remove()
        _ip("link", "del", self.name)


@contextlib.contextmanager
def network(directory: Path, names: Sequence[str], state: Path | None = None) -> Iterator[Network]:
    """A network with a host for each name, and its keys in that directory.  Raises CanNot."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        raise CanNot("only root can make hosts, and only on Linux")
    Keyring.create(directory / "keys")
    try:
        made = Network(directory / "keys")
    except (OSError, subprocess.CalledProcessError) as error:
        raise CanNot(f"no bridge can be made here: {getattr(error, 'stderr', error)}") from error
    try:
        made.start(names, state)
        yield made
    finally:
        made.close()
