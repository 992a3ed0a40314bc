"""A request reaches a running loop, passes unsafe places by, and ends in a result or a reason."""

import signal
import sys
import threading
import time

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter import safepoint
from hetmig.interpreter.safepoint import (
    SIGNAL,
    PassingPlace,
    Preemptor,
    raise_again,
    unsafe_reason,
)


@pytest.fixture
def preempt():
    """Install a preemptor in the main thread; `preempt(visit)` returns it and its expiries."""
    made = []
    before = signal.getsignal(SIGNAL)

    def install(visit):
        expired = []
        over = threading.Event()

        def on_expired(error):
            expired.append(error)
            over.set()

        preemptor = Preemptor(visit, on_expired)
        preemptor.install()
        made.append(preemptor)
        return preemptor, expired, over

    yield install
    for preemptor in made:
        preemptor.close()
    signal.signal(SIGNAL, before)


def spin_while(flags):
    n = 0
    while not flags:
        n += 1


def spin_compare(flags):
    i, end = 0, 1 << 62
    while i < end:
        i += 1
        if flags:
            end = 0


def spin_for(flags):
    for _ in iter(int, 1):
        if flags:
            break


def spin_calls(flags):
    def step():
        return len(flags)

    while not step():
        pass


def spin_c_calls(flags):
    while not len(flags):
        abs(-1)
        max(1, 2)


def spin_comprehension(flags):
    while not flags:
        [n + 1 for n in range(50)]


def spin_recursion(flags):
    def down(n):
        return n and down(n - 1)

    while not flags:
        down(20)


@pytest.mark.parametrize(
    "loop",
    [
        spin_while,
        spin_compare,
        spin_for,
        spin_calls,
        spin_c_calls,
        spin_comprehension,
        spin_recursion,
    ],
)
def test_a_tight_loop_is_reached(loop, preempt):
    seen = []

    def visit(frame):
        seen.append((frame.f_code.co_name, unsafe_reason(frame)))
        flags.append(True)
        return True

    flags = []
    preemptor, expired, _ = preempt(visit)
    preemptor.begin(60)
    loop(flags)
    assert len(seen) == 1
    assert not expired
    assert not preemptor.pending


def test_a_refusal_is_tried_again_and_then_expires_with_its_reason(preempt):
    visits = []

    def visit(frame):
        visits.append(frame.f_lineno)
        raise NotMigratable("the moon is full", variable="moon")

    preemptor, expired, over = preempt(visit)
    preemptor.begin(0.5)
    while not over.is_set():
        pass
    (error,) = expired
    assert error.reason == "the moon is full"
    assert error.__traceback__ is None  # it would keep the program's variables alive
    assert len(visits) >= 2


def test_a_loop_that_is_always_seen_at_the_same_passing_place_is_reached(preempt):
    """The signal is seen when the call ends; from there the next look always falls into `ours`."""
    visits, done = [], []

    def ours():
        return not done

    def visit(frame):
        visits.append(frame.f_code.co_name)
        if frame.f_code is ours.__code__:
            raise PassingPlace("inside the library")
        done.append(True)
        return True

    preemptor, expired, _ = preempt(visit)
    preemptor.poll = lambda: None if preemptor.pending or done else preemptor.begin(60)
    preemptor.FIRST_PAUSE = preemptor.LONGEST_PAUSE = 60  # the first signal must be enough
    signal.raise_signal(SIGNAL)
    while ours():
        abs(-1)
    assert visits[-1] != "ours"
    assert not expired


def test_a_mistake_of_the_visitor_does_not_reach_the_program(preempt):
    preemptor, expired, over = preempt(lambda frame: 1 / 0)
    preemptor.begin(0.5)
    while not over.is_set():
        pass
    assert "ZeroDivisionError" in expired[0].reason


def test_a_blocking_call_expires_naming_where_it_stands(preempt):
    preemptor, expired, over = preempt(lambda frame: True)
    preemptor.begin(0.5)
    over.wait()
    (error,) = expired
    assert error.frame is not None
    assert error.frame.file == __file__ or error.frame.file.endswith("threading.py")
    assert error.frame.line > 0
    assert not preemptor.pending


def test_a_request_during_a_visit_waits(preempt):
    depth = []

    def visit(frame):
        depth.append(1)
        assert len(depth) == 1, "a visit inside a visit"
        signal.raise_signal(SIGNAL)
        for _ in range(100):
            pass
        depth.pop()
        flags.append(True)
        return True

    flags = []
    preemptor, _, _ = preempt(visit)
    preemptor.begin(60)
    spin_while(flags)
    assert depth == []


def test_poll_is_called_while_nothing_is_asked_for(preempt):
    polled = []
    preemptor, _, _ = preempt(lambda frame: True)
    preemptor.poll = lambda: polled.append(True)
    signal.raise_signal(SIGNAL)
    for _ in range(3):
        pass
    assert polled == [True]


def test_cancelled_means_not_visited(preempt):
    visits = []
    preemptor, expired, _ = preempt(lambda frame: visits.append(frame) or True)
    preemptor.begin(60)
    preemptor.cancel()
    before = len(visits)
    for _ in range(1000):
        pass
    assert len(visits) == before
    assert not expired


def test_raising_again_runs_the_handler_after_the_handler():
    runs, depth = [], 0

    def handler(signum, frame):
        nonlocal depth
        assert depth == 0, "a handler inside the handler"
        depth += 1
        runs.append(frame.f_code.co_name)
        depth -= 1
        if len(runs) < 4:
            raise_again[signum]

    before = signal.signal(SIGNAL, handler)
    try:
        signal.raise_signal(SIGNAL)
        for _ in range(10):
            pass
    finally:
        signal.signal(SIGNAL, before)
    assert runs == ["test_raising_again_runs_the_handler_after_the_handler"] * 4


def test_a_place_inside_hetmig_is_not_the_programs():
    assert unsafe_reason(_frame_of(Preemptor.begin)) == "hetmig itself is at work"


def test_code_that_cannot_be_read_is_passed_by(preempt, monkeypatch):
    def unreadable(frame):
        raise NotMigratable("it is all Greek")

    used = []
    preemptor, expired, over = preempt(used.append)
    monkeypatch.setattr(safepoint, "position", unreadable)
    preemptor.begin(0.5)
    while not over.is_set():
        pass
    assert expired[0].reason == "it is all Greek"
    assert used == []


def test_time_that_runs_out_during_a_visit_is_noticed_after_it(preempt):
    deadline = time.monotonic() + 0.5

    def visit(frame):
        while time.monotonic() < deadline + 0.05:  # the keeper of the time gives up meanwhile
            pass
        raise NotMigratable("not here")

    preemptor, expired, over = preempt(visit)
    preemptor.begin(0.5)
    while not over.is_set():
        pass
    assert expired[0].reason == "not here"
    assert not preemptor.pending


def _frame_of(function):
    """A frame with the globals of `function`'s module."""
    return eval("sys._getframe()", vars(sys.modules[function.__module__]))
