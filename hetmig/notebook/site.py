"""The nodes that a notebook is connected to: those of others, or its own on this machine."""

from __future__ import annotations

import argparse
import atexit
import os

from hetmig.client import Nodes
from hetmig.commands.common import DEFAULT_NODE, open_nodes
from hetmig.errors import NodeUnreachable, Unauthorized

__all__ = ["Site"]

_OWN = 2


class Site:
    """One connection at a time."""

    def __init__(self) -> None:
        self.keys: str | None = None
        self._nodes: Nodes | None = None
        self._local: object = None
        atexit.register(self.close)

    @property
    def nodes(self) -> Nodes:
        """The connection; if there is none yet, to the usual node, or to some of our own."""
        if self._nodes is None:
            self._connect_somewhere()
        assert self._nodes is not None
        return self._nodes

    @property
    def is_connected(self) -> bool:
        """Whether there is one."""
        return self._nodes is not None

    def connect(self, node: str, keys: str | None) -> None:
        """Connect to this node, by URL or name.  Raises NodeUnreachable or Unauthorized."""
        connected = open_nodes(argparse.Namespace(node=node, keys=keys), echo=False)
        self.close()
        self._nodes, self.keys = connected, keys

    def start(self, count: int) -> None:
        """Start nodes on this machine, with keys of their own, which end with the notebook."""
        from hetmig.node.embedded import LocalNodes

        self.close()
        local = self._local = LocalNodes(count)
        local.__enter__()
        self.connect_local(local[0].endpoint, os.fspath(local.keys))

    def connect_local(self, endpoint: str, keys: str) -> None:
        """Connect to a node of our own."""
        self._nodes = open_nodes(argparse.Namespace(node=endpoint, keys=keys), echo=False)
        self.keys = keys

    def close(self) -> None:
        """Close the connection, and end our own nodes."""
        from hetmig.node.embedded import LocalNodes

        if self._nodes is not None:
            self._nodes.close()
            self._nodes = None
        if isinstance(self._local, LocalNodes):
            self._local.close()
            self._local = None

    def _connect_somewhere(self) -> None:
        named = os.environ.get("HETMIG_NODE")
        if named:
            return self.connect(named, None)
        try:
            self.connect(DEFAULT_NODE, None)
        except (NodeUnreachable, Unauthorized):
            self.start(_OWN)
            assert self._nodes is not None
            names = ", ".join(sorted(node.name for node in self._nodes.nodes()))
            print(f"hetmig: no node listens here, so these run for this notebook: {names}")
        return None
