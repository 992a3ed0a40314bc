"""A call of an actor's method, or a message to a task, as what travels."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from hetmig.errors import ParcelTooLarge
from hetmig.node import protocol
from hetmig.node.protocol import Buffer
from hetmig.state.image import Image, freeze_call, freeze_for_any, freeze_value

__all__ = ["NOTHING", "STOP", "freeze_message", "freeze_method"]

NOTHING, STOP = "", "."
"""What an actor can be told beside the names of its methods: to answer, and to end."""


def freeze_method(method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Image:
    """The image of a call: what the arguments are now is what arrives, whatever happens to them.

    Wherever the actor is by then: its node may have another version of Python.
    Raises NotMigratable, naming the argument, or ParcelTooLarge.
    """
    call: Any = method  # of that name, there
    frozen = freeze_for_any(functools.partial(freeze_call, call, args, kwargs))
    return _held(frozen, f"the arguments of {method}")


def freeze_message(value: object, name: str = "the message") -> Image:
    """The image of a message, or of a reply, as it is now.

    Raises NotMigratable, naming what in it can't travel, or ParcelTooLarge.
    """
    return _held(freeze_for_any(functools.partial(freeze_value, value, name=name)), name)


def _held(frozen: Image, what: str) -> Image:
    """The image in memory of its own.  Raises ParcelTooLarge for what no node would take."""
    frames: list[Buffer] = [bytes(frame) for frame in frozen.frames]
    limits = protocol.LIMITS
    largest = max(len(frame) for frame in frames)
    if largest > limits.frame or frozen.nbytes > limits.total // 2:
        raise ParcelTooLarge(f"too large, with {frozen.nbytes} bytes: {what}")
    return dataclasses.replace(frozen, frames=frames)
