"""Signals that a batch system sends to every process of a job, and that only one of them is for."""

from __future__ import annotations

import signal

__all__ = ["ignore_sigterm"]


def ignore_sigterm() -> None:
    """Let SIGTERM pass by, in this process; other than SIG_IGN, that is not inherited."""
    signal.signal(signal.SIGTERM, lambda signum, frame: None)
