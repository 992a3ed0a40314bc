"""Signals that a batch system sends to every process of a job, and that only one of them is for."""

from __future__ import annotations

import asyncio
import signal

__all__ = ["end_soon", "ignore_sigterm"]

_LAST_WORD_SECONDS = 0.2
"""For the answer to go out before the node begins to end."""


def ignore_sigterm() -> None:
    """Let SIGTERM pass by, in this process; other than SIG_IGN, that is not inherited."""
    signal.signal(signal.SIGTERM, lambda signum, frame: None)


def end_soon() -> None:
    """Send SIGTERM to this process, in a moment."""
    asyncio.get_running_loop().call_later(_LAST_WORD_SECONDS, signal.raise_signal, signal.SIGTERM)
