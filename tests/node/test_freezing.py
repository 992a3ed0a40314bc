"""What is told of a task that was frozen."""

from __future__ import annotations

from hetmig.node import sleeping
from hetmig.node.freezing import stood_at

HERE = {"function": "work", "file": "job.py", "line": 3}


def test_who_sleeps_stands_at_its_own_line() -> None:
    asleep = {"function": "sleep", "file": sleeping.__file__, "line": 57}
    elsewhere = {**asleep, "file": "C:\\python\\hetmig\\node\\sleeping.py"}
    for innermost in (asleep, elsewhere):
        assert stood_at([HERE, innermost]) == HERE
        assert stood_at([innermost]) == innermost


def test_any_other_function_is_where_it_stands() -> None:
    mine = {"function": "sleep", "file": "my/sleeping.py", "line": 1, "offset": 8}
    assert stood_at([HERE, mine])["file"] == "my/sleeping.py"
    assert stood_at([]) == {"function": "", "file": "", "line": 0}
