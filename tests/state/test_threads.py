"""Which threads would stay behind."""

from __future__ import annotations

import _thread
import threading
from types import FunctionType

import pytest

from hetmig.state import threads


@pytest.mark.parametrize(("module", "count"), [("hetmig.node.any", 0), ("program", 1)])
def test_a_thread_of_our_own_that_has_asked_for_its_name(module: str, count: int) -> None:
    """It was started below `threading`, which has made a dummy for it then."""
    begun, end, ended = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        threading.current_thread()
        begun.set()
        end.wait()
        ended.set()

    space = {**globals(), "__name__": module}
    before = threads.others(ignorable=True)
    _thread.start_new_thread(FunctionType(run.__code__, space, "run", None, run.__closure__), ())
    assert begun.wait(60)
    found = [name for name in threads.others(ignorable=True) if name not in before]
    end.set()
    assert ended.wait(60)
    assert len(found) == count
