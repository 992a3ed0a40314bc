"""The table of shapes says what the torture of its cases shows."""

import sys

import cloudpickle
import pytest

from hetmig.testing import torture
from tests.shapes import PAGE, TABLE, rendered

ROWS = [pytest.param(row, id=row.case) for rows in TABLE.values() for row in rows]
# in a case whose shape moves, something else may stand in the way for a moment
BESIDES = (
    "a class body can't move",
    "LIST_EXTEND",
    "is a C-level call between contextmanager",
    "__set_name__",
    "_create_fn",
)
SAMPLE = 10
FRACTION = 0.6
"""How much of a case that moves must move, at least."""


def test_the_page_is_the_table():
    assert PAGE.read_text("utf-8") == rendered(), "run `python -m tests.shapes`"


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_the_row_is_true(row):
    module = sys.modules[row.function.__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        # raises for any outcome that differs; all safe points are tried by another test
        # hot, as the code of a program that is worth moving is
        report = torture(row.function, at_most=SAMPLE, seed=1, warm_up=20)
        if doubts(row, report):  # a refusal may come about at some only, or at just these
            at_most = (4 if row.refused else 2) * SAMPLE
            report = torture(row.function, at_most=at_most, seed=1, warm_up=20)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert not doubts(row, report), report.reasons


def doubts(row, report):
    """What speaks against the row."""
    if row.refused:
        return not any(row.refused in reason for reason in report.reasons)
    others = [e.reason for e in report.refused if not any(b in e.reason for b in BESIDES)]
    moved = report.migrated
    return moved < 2 or len(others) > (1 - FRACTION) * (moved + len(others))
