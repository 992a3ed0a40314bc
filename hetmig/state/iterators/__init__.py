"""Iterators travel with their exact position, and still over the very object they iterate.

Nothing here advances an original.  One whose own methods tell its state is asked; of the others the
C structure is read (`hetmig.interpreter.iterators`).  They are rebuilt by constructors and `next`
over items that are known: no code of the user's runs, no memory is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hetmig.state.iterators import choices, grouping, lazy, mappings, sequences, text
from hetmig.state.iterators.resumed import Reduced, Resumed, reduce_resumed

__all__ = ["REDUCERS"]

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    **sequences.REDUCERS,
    **mappings.REDUCERS,
    **lazy.REDUCERS,
    **choices.REDUCERS,
    **grouping.REDUCERS,
    **text.REDUCERS,
    Resumed: reduce_resumed,
}
"""How each type of iterator that needs help is reduced."""
