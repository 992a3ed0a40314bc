"""A wrong migration is caught: each is made wrong here on purpose."""

import dataclasses
import os
import sys

import pytest

from hetmig.interpreter import reentry
from hetmig.interpreter.activation import Activation
from hetmig.testing import Difference, outcome, ping_pong, point, torture
from hetmig.testing import programs as harness
from tests.testing import programs


@pytest.fixture
def broken(monkeypatch):
    """Have each re-entered stack changed by a function before it goes on."""

    def install(change):
        def prepare(stack):
            change(stack)
            return reentry.prepare(stack)

        monkeypatch.setattr(harness, "prepare", prepare)

    return install


def program():
    total, log = 0, []
    for i in range(4):
        total += point(i)
        log.append(total)
        print(total)
    return total, log


def variable(stack: list[Activation], name: str, change):
    frame = stack[-1]
    index = frame.slot_names.index(name)
    if isinstance(frame.slots[index], int | list):
        frame.slots[index] = change(frame.slots[index])


def test_a_wrong_variable(broken):
    broken(lambda stack: variable(stack, "total", lambda n: n + 1))
    with pytest.raises(Difference) as caught:
        torture(program)
    text = str(caught.value)
    assert "program, moved at test_differences" not in text
    assert "the result[0] is 7 (int), it was 6 (int) when unmoved" in text
    line = text.rpartition("\n")[2]
    assert line.lstrip().startswith(f"{caught.value.data['frame'].line} | ")


def test_a_lost_item(broken):
    broken(lambda stack: variable(stack, "log", lambda items: items[1:] or [0]))
    with pytest.raises(Difference, match=r"the result\[1\] is list of \d, it was list of 4"):
        torture(program)


def test_a_skipped_turn_is_seen_in_the_output(broken):
    def change(stack):
        for value in stack[-1].stack:
            if type(value) is type(iter(range(0))):
                next(value, None)

    def prints():
        for i in range(3):
            print(i)

    broken(change)
    with pytest.raises(Difference, match=r"line \d of the output is '\d\\n', it was"):
        torture(prints)


def test_a_wrong_line_in_a_traceback(broken):
    def fails():
        for i in range(2):
            if i:
                raise ValueError

    def change(stack):
        code = stack[-1].code
        stack[-1].code = code.replace(co_firstlineno=code.co_firstlineno + 1)

    broken(change)
    with pytest.raises(Difference, match=r"traceback, line 0 is .*fails, line \d+, it was"):
        torture(fails)


def test_a_lost_handler(broken):
    """The exception being handled is not the one it was: only its context tells."""

    def fails():
        try:
            raise KeyError(1)
        except KeyError:
            for _ in range(2):
                pass
            raise ValueError  # noqa: B904

    def change(stack):
        stack[-1].handled = [OSError() for _ in stack[-1].handled]

    broken(change)
    with pytest.raises(Difference, match=r"__context__ is OSError: , it was KeyError: 1"):
        torture(fails)


def test_a_copy_in_place_of_the_same_object(broken):
    def shares():
        one = [0]
        two = one
        for i in range(3):
            one.append(i)
        return one, two

    broken(lambda stack: variable(stack, "two", list))
    with pytest.raises(Difference, match=r"the result\[1\]"):
        torture(shares)


def test_a_wrong_argument(broken):
    broken(lambda stack: variable(stack, "items", lambda items: [*items]))
    with pytest.raises(Difference, match="the arguments"):
        torture(programs.fills, args=([],), kwargs={"extra": {}})


def test_a_capture_that_does_not_only_read(monkeypatch):
    def visited(stop):
        log = stop.frame.f_locals.get("log")
        if log:
            log.append("touched")
        return capture(stop)

    from hetmig.testing.stops import Stop

    capture = Stop.capture
    monkeypatch.setattr(Stop, "capture", visited)
    with pytest.raises(Difference, match=r"noticed that it was captured: the result\[1\]"):
        torture(program)


def test_a_mistake_of_capture_is_not_hidden(monkeypatch):
    from hetmig.testing.stops import Stop

    def mistake(stop):
        raise ZeroDivisionError("in capture")

    monkeypatch.setattr(Stop, "capture", mistake)
    with pytest.raises(ZeroDivisionError, match="in capture"):
        torture(program)


def test_a_difference_elsewhere():
    with pytest.raises(Difference, match=r"the result is 7 \(int\), it was 6 \(int\)") as caught:
        torture(programs.elsewhere_is_wrong, where="process", modules=["os"])
    assert "elsewhere_is_wrong, moved at" in str(caught.value)
    with pytest.raises(Difference, match=r"moved \d times, .*the result is 7"):
        ping_pong(programs.elsewhere_is_wrong, where="process")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_child_that_dies_is_shown_with_its_stack():
    with pytest.raises(Difference) as caught:
        torture(programs.elsewhere_crashes, where="process")
    text = str(caught.value)
    assert "the process died by SIGSEGV" in text
    assert "Fatal Python error: Segmentation fault" in text
    assert "in elsewhere_crashes" in text
    with pytest.raises(Difference, match="died by SIGSEGV"):
        ping_pong(programs.elsewhere_crashes, where="process")


def test_a_child_that_hangs_is_shown_with_its_stack():
    with pytest.raises(Difference) as caught:
        torture(programs.elsewhere_hangs, where="process", seconds=2)
    text = str(caught.value)
    assert "Timeout (0:00:02)!" in text
    assert "in elsewhere_hangs" in text


# How outcomes are described and compared


@dataclasses.dataclass
class Plain:
    a: object


class Bare:
    def __init__(self, a):
        self.a = a


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


def chain(depth):
    held = None
    for _ in range(depth):
        held = [held]
    return held


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (1, True, "the result is True (bool), it was 1 (int)"),
        (1, 1.0, "the result is 1.0 (float), it was 1 (int)"),
        (0.0, -0.0, "the result is -0.0"),
        ({"a": [1]}, {"a": [2]}, "the result['a'][0] is 2"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "the result['b'] is"),
        ({1, 2}, {1, 3}, "is set of "),
        ((1, 2), [1, 2], "is list of 2, it was tuple of 2"),
        (Plain(1), Plain(2), "Plain(a=2)"),
        (Bare(1), Bare(2), "the result.a is 2"),
        (Slotted(1), Slotted(2), "the result.a is 2"),
        (int, str, "is type builtins.str"),
        ("x" * 5000, "x" * 4999 + "y", "5002 characters"),
        (chain(9000), chain(9001), "[0]"),
    ],
)
def test_what_is_a_difference(one, other, text):
    expected, again, got = outcome(lambda: one), outcome(lambda: one), outcome(lambda: other)
    assert expected == again
    assert expected.difference(again) is None
    assert expected != got
    assert text in expected.difference(got)


def test_what_is_none():
    def made():
        return object(), {"b", "a"}, iter([]), [10**20000], os.environ.__class__

    assert outcome(made) == outcome(made)


def test_a_cycle_can_be_described():
    def made(n):
        items = [n]
        items.append(items)
        return items

    assert outcome(lambda: made(1)) == outcome(lambda: made(1))
    assert outcome(lambda: made(1)) != outcome(lambda: made(2))
