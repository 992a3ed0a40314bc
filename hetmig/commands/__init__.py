"""The commands of the command line, one module each; each adds its own parser."""

from __future__ import annotations

from types import ModuleType

from hetmig.commands import (
    cancel,
    check,
    checkpoints,
    demo,
    divide,
    doctor,
    drain,
    inspect,
    keys,
    node,
    rehome,
    replicas,
    report,
    script,
    send,
    shutdown,
    simulate,
    tasks,
    top,
    trace,
)

__all__ = ["COMMANDS"]

COMMANDS: tuple[ModuleType, ...] = (
    demo,
    node,
    script,
    tasks,
    cancel,
    send,
    top,
    trace,
    report,
    checkpoints,
    divide,
    drain,
    rehome,
    replicas,
    shutdown,
    check,
    doctor,
    inspect,
    simulate,
    keys,
)
"""In the order in which `hetmig --help` lists them."""
