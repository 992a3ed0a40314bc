"""What a message or a reply holds, for whoever may unpickle it: a task, or a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hetmig.node import protocol
from hetmig.node.messages.outgoing import Outcome
from hetmig.node.protocol import Buffer
from hetmig.state.image import Image, thaw
from hetmig.state.manifest import check_python
from hetmig.state.parcel import Parcel

__all__ = ["settle", "value_of"]


def value_of(header: dict[str, Any], frames: Sequence[Buffer]) -> Any:
    """The value.  Raises what `hetmig.loads` raises."""
    check_python(header["manifest"])
    views = [memoryview(frame) for frame in frames]
    return thaw(Image.of_parcel(Parcel(header["manifest"], views, True)))


def settle(what: Outcome) -> Any:
    """The value of a reply, None for what was received; or raises the error that there is."""
    if what.error is not None:
        raise what.error
    if what.answer is None:
        return None
    if what.answer["error"] is not None:
        raise protocol.rebuild_error(what.answer["error"])
    return value_of(what.answer, what.frames)
