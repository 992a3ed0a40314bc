"""Ends of tasks that cannot travel as they are."""

from __future__ import annotations

import functools

from hetmig.errors import FrameAddress, ProtocolError, TaskFailed
from hetmig.node.outcome import freeze_outcome, origin_of, too_large
from hetmig.state import image


def returns() -> None: ...


class Unprintable(Exception):
    def __reduce__(self) -> str:
        raise TypeError("no")

    def __str__(self) -> str:
        raise ValueError("nothing to say")


def test_a_result_that_no_message_takes() -> None:
    origin = origin_of(returns)
    assert origin is not None
    ended = too_large(ProtocolError("a message of 9 bytes"), origin)
    assert not ended.ok
    error = image.thaw(ended.image)
    assert isinstance(error, TaskFailed)
    assert str(error).startswith("the result of returns (")
    assert str(error).endswith(": a message of 9 bytes")
    assert "in returns" in ended.traceback
    assert "def returns() -> None" in ended.traceback


def test_an_exception_that_neither_travels_nor_prints() -> None:
    ended = freeze_outcome(Unprintable(), False, "the traceback", None, "a name")
    error = image.thaw(ended.image)
    assert not ended.ok
    assert ended.traceback == "the traceback"
    assert str(error).startswith("a name raised ")
    assert "Unprintable" in str(error)
    assert "exception (" in str(error)


def test_where_a_function_begins() -> None:
    found = origin_of(returns)
    assert isinstance(found, FrameAddress)
    assert found.file == __file__
    assert origin_of(functools.partial(returns)) is None
    assert origin_of(print) is None
