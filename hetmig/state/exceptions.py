"""Exceptions, with where they have passed by."""

from __future__ import annotations

from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

from hetmig.state import rebuild
from hetmig.state.tracebacks import Passed, passed

if TYPE_CHECKING:
    from hetmig.state.pickler import Pickler

__all__ = ["FAMILIES", "REDUCERS"]

Reduced = tuple[Any, ...]


def _reduce_exception(pickler: Pickler, error: BaseException) -> Any:
    reduced = error.__reduce_ex__(5)
    if isinstance(reduced, str) or len(reduced) > 3:
        return reduced
    constructor, arguments, state = (*reduced, None)[:3]
    if not isinstance(type(error).__reduce__, FunctionType):
        constructor, arguments = rebuild.new_exception, (type(error), *arguments)
    # A result or a script's end is told with the text of its traceback.
    way = pickler.passed(error.__traceback__) if pickler.namespaces == "whole" else None
    filling = (state, error.__cause__, error.__context__, error.__suppress_context__, way)
    return constructor, arguments, filling, None, None, rebuild.fill_exception


def _reduce_traceback(pickler: Pickler, traceback: TracebackType) -> Reduced:
    # the stand-in is what the exception's own traceback becomes: one and the same
    return rebuild.same, (pickler.passed(traceback),)


def _reduce_passed(pickler: Pickler, way: Passed) -> Reduced:
    return rebuild.traceback, (passed(way.traceback),)


REDUCERS: dict[type, Any] = {Passed: _reduce_passed, TracebackType: _reduce_traceback}

FAMILIES: dict[type, Any] = {BaseException: _reduce_exception}
