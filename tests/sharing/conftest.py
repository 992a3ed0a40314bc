"""Three nodes on loopback, and how to wait for what a task says."""

from __future__ import annotations

from tests.node.conftest import cluster, wait_for

__all__ = ["cluster", "wait_for"]
