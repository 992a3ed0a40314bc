"""Errors of the operating system between systems: their numbers differ, their names do not."""

from __future__ import annotations

import errno
import os

__all__ = ["as_os_error", "described"]


def described(error: OSError) -> list[str]:
    """The error as JSON."""
    return [errno.errorcode.get(error.errno or 0, "EIO"), error.strerror or str(error)]


def as_os_error(what: list[str], name: object = None) -> OSError:
    """The error as this system raises it."""
    number = getattr(errno, what[0], errno.EIO)
    text = os.strerror(number) if hasattr(errno, what[0]) else what[1]
    return OSError(number, text) if name is None else OSError(number, text, name)
