"""Tracebacks, as far as an exception carries one along: where it has passed by.

Not for the reader's sake alone.  At the end of an `except*`, CPython tells the parts of the group
being handled from new exceptions by whether they have the very same traceback object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, TracebackType

__all__ = ["Passed", "Place", "passed", "traceback"]

Place = tuple[str, str, str, int]
"""File, name and qualified name of the function, line."""


@dataclass(frozen=True, eq=False)
class Passed:
    """Stands for a traceback in a pickle.  The variables of the frames in it can't travel."""

    traceback: TracebackType


def passed(traceback: TracebackType | None) -> list[Place]:
    """The places of a traceback, outermost first."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        # CPython computes the line, and has none for some instructions
        line = traceback.tb_lineno or code.co_firstlineno
        places.append((code.co_filename, code.co_name, code.co_qualname, line))
        traceback = traceback.tb_next
    return places


def _stand_in() -> Iterator[None]:
    yield


def traceback(places: list[Place]) -> TracebackType | None:
    """A traceback that shows these places; its frames hold no variables."""
    made: TracebackType | None = None
    for filename, name, qualified, line in reversed(places):
        code = _stand_in.__code__.replace(
            co_filename=filename, co_name=name, co_qualname=qualified, co_firstlineno=line
        )
        # The frame of a generator that never ran is tied to no caller, and keeps none alive.
        frame = FunctionType(code, {})().gi_frame
        made = TracebackType(made, frame, -1, line)
    return made
