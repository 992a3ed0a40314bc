"""How to wait for what a task says."""

from __future__ import annotations

from tests.node.conftest import wait_for

__all__ = ["wait_for"]
