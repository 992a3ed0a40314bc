"""A module whose functions and classes travel by value for once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cloudpickle

__all__ = ["by_value"]

_registry = threading.Lock()
"""cloudpickle's registry of modules by value is global to the process."""


@contextmanager
def by_value(module: str | None) -> Iterator[None]:
    """Meanwhile, what belongs to this top-level module is pickled by value."""
    if module is None or module in cloudpickle.list_registry_pickle_by_value():
        yield
        return
    with _registry:
        cloudpickle.register_pickle_by_value(sys.modules[module])
        try:
            yield
        finally:
            cloudpickle.unregister_pickle_by_value(sys.modules[module])
