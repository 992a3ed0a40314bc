"""The matrix's own judgement: what counts as equal, and what does not."""

from __future__ import annotations

import re

import pytest

from hetmig.testing.outcomes import Outcome, outcome
from tests.interpreters import RUNNING
from tests.matrix import table
from tests.matrix.pairs import Results, Tally, cases, difference, short, title
from tests.matrix.sites import Died, Site


def _ends(*values: object) -> Outcome:
    return outcome(lambda: list(values))


def test_what_is_so_at_either_site_is_right():
    old, new = _ends(1, "missing x"), _ends(1, "missing 'x'")
    assert difference(old, old, new) is None
    assert difference(new, old, new) is None
    assert difference(new, old, None) is not None


def test_messages_of_before_and_after_the_move_may_be_mixed():
    old, new = _ends("a", "b"), _ends("A", "B")
    assert difference(_ends("a", "B"), old, new) is None
    assert difference(_ends("a", "C"), old, new) is not None
    assert difference(_ends("a"), old, new) is not None
    assert difference(_ends("a", "b", "b"), old, new) is not None


def test_an_interpreter_that_dies_is_told_from_one_that_refuses():
    site = Site(RUNNING)
    try:
        with pytest.raises(Died, match="ended with 5"):
            site.ask("arrive", _Deadly())
        found = site.ask("depart", *cases()[0], 1, 0, False)  # a new process
        assert found.expected is not None
    finally:
        site.close()


class _Deadly:
    """What ends the process that unpickles it."""

    def __reduce__(self):
        import os

        return os._exit, (5,)


def test_the_page_is_written_between_its_marks():
    results = Results(about={"a": "A", "b": "B"})
    results.pairs["a", "b"] = Tally(migrated=3, wrong=["w"])
    results.pairs["a", "b"].refused[short("object at 0x7f00 between f and g\nmore")] += 2
    rows = table.matrix(results).splitlines()
    assert rows[2:] == ["| **a** | · | 3 / 2 / **1 wrong** |", "| **b** | · | · |"]
    assert "| 2 | object at 0x… between … and … |" in table.refusals(results)
    page = "x\n<!-- begin: sums -->\nold\n<!-- end: sums -->\ny\n"
    assert table.written(page, {"sums": "new"}) == page.replace("old", "new")


def test_the_page_names_every_target():
    """`python -m tests.matrix` writes it; a new target must be there."""
    page = table.PAGE.read_text("utf-8")
    assert re.search(re.escape(table.targets()), page)


def test_cases_have_titles():
    assert "loops.for_else" in [title(case) for case in cases()]
