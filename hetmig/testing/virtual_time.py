"""An event loop whose time passes only while it has nothing to do, and then at once.

A program that sleeps takes no time on it, and does the same in every run.
"""

from __future__ import annotations

import selectors
from typing import Any

from hetmig.state.event_loop import Loop

__all__ = ["VirtualLoop"]


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("the program waits for nothing that could come")
        found = super().select(0)
        if not found:
            self._loop.pass_time(timeout)
        return found


class VirtualLoop(Loop):
    """A loop on which `asyncio.sleep` takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def _new_selector(self) -> selectors.BaseSelector:
        return _Selector(self)

    def time(self) -> float:
        """Seconds that have passed on the loop."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self._now += max(seconds, 0.0)
