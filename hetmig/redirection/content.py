"""Whether two files hold the same, and what is carried of one."""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import os
import stat
import tempfile

__all__ = ["content_of", "is_named", "scratch", "whole"]

_PIECE = 1 << 20
_MOST_CARRIED = 256 << 20


def content_of(path: str, up_to: int | None = None) -> tuple[int, bytes]:
    """The size and a digest of what a file holds, or of its first bytes."""
    digest = hashlib.blake2b(digest_size=16)
    size = 0
    with builtins.open(path, "rb", 0) as file:
        while piece := file.read(_PIECE if up_to is None else min(_PIECE, up_to - size)):
            digest.update(piece)
            size += len(piece)
    return size, digest.digest()


def is_named(held: os.stat_result, path: str) -> bool:
    """Whether an open file is a regular one, and still has that name."""
    try:
        named = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(held.st_mode) and os.path.samestat(held, named)


def whole(descriptor: int, path: str) -> bytes:
    """All that an open file holds.  Raises OSError; ValueError for one that can't be carried."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if status.st_size > _MOST_CARRIED:
        raise ValueError(f"it has {status.st_size} bytes, and at most {_MOST_CARRIED} are carried")
    if is_named(status, path):
        with builtins.open(path, "rb", 0) as file:
            return file.readall()
    # a scratch file has no name; but it can be read, whatever it was opened for
    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        parts = []
        while part := os.read(descriptor, _PIECE):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)


def scratch(content: bytes | memoryview, flags: int) -> int:
    """A descriptor of a new file without a name that holds this."""
    descriptor, path = tempfile.mkstemp(prefix="hetmig-carried-")
    try:
        with builtins.open(descriptor, "wb", 0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
        access = os.O_RDWR | (flags & os.O_APPEND) | getattr(os, "O_BINARY", 0)
        access |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
        return os.open(path, access | getattr(os, "O_TEMPORARY", 0))
    finally:
        with contextlib.suppress(OSError):  # Windows: it goes when it is closed
            os.unlink(path)
