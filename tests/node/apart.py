"""Nodes that have keys of their own each, and others with some rights there."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import zmq

import hetmig
from hetmig.client import Nodes, connect
from hetmig.node import sockets
from hetmig.node.caller import ALL, RUN
from hetmig.node.embedded import LocalNode
from hetmig.node.keys import Keyring

PATH = [str(Path(hetmig.__file__).parent.parent)]


class Apart:
    """Nodes on loopback that know each other as nodes, and nothing else."""

    def __init__(
        self,
        directory: Path,
        names: str,
        caps: Mapping[str, int] | None = None,
        keep_parcels: Path | None = None,
    ) -> None:
        self._directory = directory
        self.keep_parcels = keep_parcels
        kept = None if keep_parcels is None else str(keep_parcels)
        self.rings = {name: Keyring.create(directory / name) for name in names}
        for name, ring in self.rings.items():
            for other in names.replace(name, ""):
                ring.add(self.rings[other].identity.public, other, rights=frozenset({RUN}))
        self.nodes = {
            name: LocalNode(name, [sys.executable], PATH, ring.directory, kept, caps=caps)
            for name, ring in self.rings.items()
        }
        for node in self.nodes.values():
            node.wait_until_ready()
        for node in self.nodes.values():
            node.introduce([node.place for node in self.nodes.values()])

    def user(self, name: str, **rights: str) -> Keyring:
        """Somebody with these rights at the nodes, such as `a="submit,observe"`."""
        ring = Keyring.create(self._directory / name)
        for node, given in rights.items():
            chosen = ALL if given == "all" else frozenset(given.split(","))
            self.rings[node].add(ring.identity.public, name, rights=chosen)
        return ring

    def connect(self, user: Keyring, node: str) -> Nodes:
        """That user's connection to a node."""
        key = self.rings[node].identity.public
        return connect(self.nodes[node].endpoint, keys=user, server_key=key, echo=False)

    @contextlib.contextmanager
    def raw(self, user: Keyring, node: str) -> Iterator[zmq.Socket[bytes]]:
        """That user's socket to a node, for what no client of ours would send."""
        with zmq.Context() as context:
            key, endpoint = self.rings[node].identity.public, self.nodes[node].endpoint
            with sockets.make_link(context, user.identity, key, endpoint) as dealer:
                dealer.linger = 0
                yield dealer

    def stop(self) -> None:
        """End the nodes."""
        for node in self.nodes.values():
            node.stop()


def ask(
    dealer: zmq.Socket[bytes], kind: str, header: Mapping[str, Any], *payload: bytes, until: int
) -> list[tuple[str, dict[str, Any]]]:
    """Send this; all that comes back up to the answer `until`: kinds and headers."""
    dealer.send_multipart([kind.encode(), json.dumps(header).encode(), *payload])
    told: list[tuple[str, dict[str, Any]]] = []
    while not told or told[-1][1].get("re") != until:
        assert dealer.poll(30_000), f"no answer to {kind!r}"
        answer, text, *_ = dealer.recv_multipart()
        told.append((answer.decode(), json.loads(text)))
    return told
