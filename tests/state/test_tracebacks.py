"""An exception that moves keeps the places it has passed by, and no variables."""

import traceback

from hetmig.state import tracebacks
from hetmig.state.image import freeze, freeze_value, thaw


def fails(n):
    value = object()  # cannot be told from another: must not travel
    if n:
        fails(n - 1)
    raise LookupError(value and n)


def raised():
    try:
        fails(2)
    except LookupError as error:
        return error


def test_the_places_are_told_as_before():
    error = raised()
    _, extra = thaw(freeze([], {"error": error}))
    moved = extra["error"]
    assert [tuple(f) for f in traceback.extract_tb(moved.__traceback__)] == [
        tuple(f) for f in traceback.extract_tb(error.__traceback__)
    ]
    again = thaw(freeze([], {"error": moved}))[1]["error"]
    assert tracebacks.passed(again.__traceback__) == tracebacks.passed(error.__traceback__)


def test_its_frames_keep_nothing_alive():
    moved = thaw(freeze([], {"error": raised()}))[1]["error"]
    for frame, _ in traceback.walk_tb(moved.__traceback__):
        assert frame.f_back is None
        assert frame.f_locals == {}


def test_none_stays_none():
    assert tracebacks.traceback(tracebacks.passed(None)) is None
    assert thaw(freeze([], {"error": LookupError()}))[1]["error"].__traceback__ is None


def test_a_result_has_its_traceback_as_text():
    assert thaw(freeze_value(raised())).__traceback__ is None


def test_a_traceback_in_a_variable_is_still_the_exceptions_own():
    error = raised()
    _, extra = thaw(freeze([], {"error": error, "traceback": error.__traceback__}))
    assert extra["traceback"] is extra["error"].__traceback__
    places = [tuple(entry) for entry in traceback.extract_tb(error.__traceback__)]
    assert [tuple(entry) for entry in traceback.extract_tb(extra["traceback"])] == places
