"""Python 3.12 and 3.13 warn that 3.14 takes pickling away from itertools; here they need not."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

__all__ = ["quietly"]


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """No such warning within this block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
