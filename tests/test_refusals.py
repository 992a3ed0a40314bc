"""The page of what can't move is what the program says now, and leaves nothing out."""

from hetmig.state.resources import refusals
from tests.refusals import CARRIED, INSTEAD, PAGE, VALUES, reason, rendered
from tests.shapes import TABLE


def test_the_page_is_what_the_program_says():
    assert PAGE.read_text("utf-8") == rendered(), "run `python -m tests.refusals`"


def test_each_refused_shape_says_what_to_write_instead():
    assert set(INSTEAD) == {row.case for rows in TABLE.values() for row in rows if row.refused}


def test_each_reason_of_the_program_is_on_the_page():
    shown = {reason(value)[0] for value in VALUES}
    of_table = {why for why, _ in refusals().values()}
    assert of_table >= CARRIED
    assert of_table - CARRIED - shown == set()
