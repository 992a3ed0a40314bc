"""Passive data whose bytes depend on the machine: translated, or refused by name; never wrong.

`REDUCERS` are for objects of exactly these types, `BY_NAME` for those of modules which a program
may not have loaded and for what is derived from them, `reducer_of` for all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hetmig.state.native import arrays, c_data, named, paths, tensors, views
from hetmig.state.native.hashed import reducer_of_hashed

__all__ = ["BY_NAME", "REDUCERS", "reducer_of"]

Reducer = Callable[[Any, Any], Any]

REDUCERS: dict[type, Reducer] = {
    **arrays.REDUCERS,
    **paths.REDUCERS,
    **views.REDUCERS,
    **named.REDUCERS,
}

BY_NAME: dict[tuple[str, str], Reducer] = {**arrays.BY_NAME, **tensors.BY_NAME, **named.BY_NAME}


def reducer_of(cls: type) -> Reducer | None:
    """The reducer of a type, by what it is derived from; None if nothing here knows it."""
    return c_data.reducer_of(cls) or reducer_of_hashed(cls)
