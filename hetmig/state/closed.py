"""Files and sockets which have been closed: nothing ties them to this machine, so they move.

    with open(path) as file:
        text = file.read()

leaves `file` behind as a variable, and nobody thinks of deleting it.  What arrives is of the same
type, closed, and says the same of itself.
"""

from __future__ import annotations

import io
import os
import socket
from typing import Any

__all__ = ["reduce_closed"]

_FILES = (io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)


def reduce_closed(obj: Any) -> tuple[Any, ...] | None:
    """How to pickle a file or socket that has been closed; None for one that is open."""
    if type(obj) is socket.socket:
        kind = int(obj.family), int(obj.type), obj.proto
        return (closed_socket, kind) if obj.fileno() < 0 else None
    if type(obj) not in _FILES:
        return None
    try:
        if not obj.closed:
            return None
        name, mode, buffering = obj.name, obj.mode, -1
    except (ValueError, AttributeError):  # detached from its file, or over something else than one
        return None
    if isinstance(obj, io.TextIOWrapper):
        return closed_file, (name, mode, buffering, obj.encoding, obj.errors)
    return closed_file, (name, mode, 0 if isinstance(obj, io.FileIO) else buffering)


def closed_file(
    name: Any, mode: str, buffering: int, encoding: str | None = None, errors: str | None = None
) -> Any:
    """A file of this name which was open in this mode and is closed."""
    # "x" is for files that are not there yet; the null device always is
    file: Any = open(os.devnull, mode.replace("x", "w"), buffering, encoding, errors)  # noqa: SIM115
    raw = file
    if isinstance(raw, io.TextIOWrapper):
        file.mode = mode
        raw = raw.buffer
    raw = getattr(raw, "raw", raw)
    raw.name = name
    file.close()
    return file


def closed_socket(family: int, kind: int, protocol: int) -> socket.socket:
    """A socket which is closed."""
    made = socket.socket(family, kind, protocol)
    made.close()
    return made
