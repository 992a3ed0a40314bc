"""What a library keeps as a global stays its own, and takes its state along."""

import calendar
import pickletools

import pytest

import hetmig
from hetmig.testing import torture


def keeps_its_state():
    held = calendar.c  # the module's own, behind `calendar.month` and the like
    before = held.getfirstweekday()
    held.setfirstweekday(calendar.SUNDAY)
    try:
        for _ in range(3):
            pass
        return (
            held is calendar.c,
            calendar.c.getfirstweekday(),
            calendar.TextCalendar().firstweekday,
        )
    finally:
        held.setfirstweekday(before)


def has_slots():
    held = {"mark": pickletools.markobject}
    for _ in range(2):
        pass
    return held["mark"] is pickletools.markobject, held["mark"].name, held["mark"].obtype


def opcodes():
    return [str(code.name) for code, _, _ in pickletools.genops(b"\x80\x04(K\x01t.")]


@pytest.mark.parametrize("where", ["here", "process"])
@pytest.mark.parametrize("program", [keeps_its_state, has_slots, opcodes])
def test_it_is_the_librarys_own(program, where):
    assert torture(program, where=where, at_most=12, seed=2).migrated >= 2


def test_outside_a_program_it_is_a_copy_as_in_any_pickle():
    copy = hetmig.loads(hetmig.dumps(calendar.c))
    assert type(copy) is type(calendar.c)
    assert copy is not calendar.c
    assert vars(copy) == vars(calendar.c)
