"""How user code ended: the frozen value or exception, and the traceback as text."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from typing import Any

from hetmig.errors import TaskFailed
from hetmig.interpreter import reentry
from hetmig.state import image
from hetmig.state.manifest import same_minor, this_python

__all__ = ["freeze_outcome", "traceback_text"]

_TRACEBACK = 1 << 20
"""Characters of a traceback that travel: an exception's own message may be of any length."""


def freeze_outcome(
    value: object, ok: bool, text: str, python: Mapping[str, Any] | None
) -> tuple[bool, image.Image]:
    """A result, or an exception with its traceback: frozen, and whether it is still `ok`.

    `python`: that of whoever asked, as in a manifest.
    """
    portable = python is not None and not same_minor(python, this_python())
    try:
        return ok, image.freeze_value(value, portable=portable)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        what = f"the result cannot travel: {problem}" if ok else text
        return False, image.freeze_value(TaskFailed(what))


def traceback_text(error: BaseException, ours: Collection[str]) -> str:
    """The traceback as the interpreter prints it, from the program's own first frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in {*ours, reentry.__file__}:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    return text if len(text) <= _TRACEBACK else f"...\n{text[-_TRACEBACK:]}"
