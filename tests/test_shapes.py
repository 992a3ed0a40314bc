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
SAMPLE = 20
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
        at_most = 2 * SAMPLE if row.refused else SAMPLE  # which may come about at some only
        report = torture(row.function, at_most=at_most, seed=1, warm_up=20)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    if row.refused:
        assert any(row.refused in reason for reason in report.reasons), report.reasons
        return
    others = [e.reason for e in report.refused if not any(b in e.reason for b in BESIDES)]
    assert report.migrated >= 2
    assert len(others) <= (1 - FRACTION) * (report.migrated + len(others)), others
