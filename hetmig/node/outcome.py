"""How user code ended: the frozen value or exception, and the traceback as text."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from types import CodeType
from typing import Any, NamedTuple

from hetmig.errors import FrameAddress, NotMigratable, TaskFailed
from hetmig.interpreter import reentry
from hetmig.state import image
from hetmig.state.manifest import same_minor, this_python

__all__ = ["Outcome", "freeze_outcome", "origin_of", "too_large", "traceback_text"]

_TRACEBACK = 1 << 20
"""Characters of a traceback that travel: an exception's own message may be of any length."""
_SHOWN = 2000
"""Characters of an exception's own message in the message of another."""

Origin = FrameAddress | str
"""Whose end it is: the function, or the name of the task if that is not known."""


class Outcome(NamedTuple):
    """An end that can travel."""

    ok: bool
    traceback: str
    image: image.Image


def freeze_outcome(
    value: object, ok: bool, text: str, python: Mapping[str, Any] | None, origin: Origin
) -> Outcome:
    """A result, or an exception with its traceback `text`; TaskFailed for what cannot travel.

    `python`: that of whoever asked, as in a manifest.
    """
    portable = python is not None and not same_minor(python, this_python())
    name = "result" if ok else "exception"
    try:
        return Outcome(ok, text, image.freeze_value(value, name=name, portable=portable))
    except Exception as error:
        about = error.data.get("type", "") if isinstance(error, NotMigratable) else ""
        data = {"variable": getattr(error, "variable", None) or name, "type": about}
        reason = _reason(error)
        if ok:
            what = f"the result of {origin} cannot travel"
            remedy = "return what can travel instead"
            text = _origin_text(origin, NotMigratable(reason))
        else:
            what = f"{origin} raised {_said(value)}, and that exception cannot travel"
            remedy = "keep out of it what cannot; its traceback did"
        failed = TaskFailed(f"{what}: {reason}; {remedy}", **data)
        return Outcome(False, text, image.freeze_value(failed))


def too_large(error: Exception, origin: Origin) -> Outcome:
    """For a result or an exception that no message takes, as `error` says."""
    failed = TaskFailed(f"the result of {origin} is too large: {error}")
    return Outcome(False, _origin_text(origin, error), image.freeze_value(failed))


def origin_of(function: object) -> FrameAddress | None:
    """Where a function begins; None for one without code of its own."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if not isinstance(code, CodeType):
        return None
    return FrameAddress(code.co_qualname, code.co_filename, code.co_firstlineno)


def traceback_text(error: BaseException, ours: Collection[str]) -> str:
    """The traceback as the interpreter prints it, from the program's own first frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in {*ours, reentry.__file__}:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    return text if len(text) <= _TRACEBACK else f"...\n{text[-_TRACEBACK:]}"


def _origin_text(origin: Origin, error: Exception) -> str:
    """A traceback for what no frame of the program raised: its function, and the error."""
    lines = traceback.format_exception_only(type(error), error)
    if isinstance(origin, FrameAddress):
        place = traceback.FrameSummary(origin.file, origin.line, origin.function)
        lines[:0] = traceback.StackSummary.from_list([place]).format()
        lines.insert(0, "Traceback (most recent call last):\n")
    return "".join(lines)


def _reason(error: Exception) -> str:
    """Why something cannot travel; not what may be done about it before a move."""
    if isinstance(error, NotMigratable):
        why = error.data.get("why")
        return error.reason if why is None else f"{error.variable} ({error.data['type']}): {why}"
    return f"{type(error).__name__}: {error}"


def _said(error: object) -> str:
    if not isinstance(error, BaseException):
        return repr(error)
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."
