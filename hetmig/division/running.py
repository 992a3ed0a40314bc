"""A part, put back and run to the end of its loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from hetmig.division.loop import PartEnd, is_part
from hetmig.division.parts import Done
from hetmig.errors import DivisionRefused
from hetmig.interpreter import reentry
from hetmig.interpreter.activation import Activation
from hetmig.interpreter.loops import cut_off, loop_around

__all__ = ["prepare", "result_of"]


def prepare(stack: Sequence[Activation]) -> Callable[[object], object]:
    """What runs the stack of a part, wherever it stands, until its loop is left.

    Raises HetmigError for a stack that does not fit together.
    """
    outermost = stack[0]
    depth = next((i for i, value in enumerate(outermost.stack) if is_part(value)), None)
    if depth is None:
        raise DivisionRefused("this is not a part of a loop")
    loop = loop_around(outermost, depth)
    return reentry.prepare(stack, functools.partial(cut_off, loop))


def result_of(run: Callable[[], object]) -> Done:
    """What a part gives back.  Raises DivisionRefused, or what its iterations have raised."""
    try:
        run()
    except PartEnd as end:
        return end.done
    raise DivisionRefused("the loop was left by `break` or `return`")
