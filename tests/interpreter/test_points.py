"""Places of a function by what they mean, and which of several copies are the same."""

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter.activation import Resume
from hetmig.interpreter.filling import Entry
from hetmig.interpreter.points import Name
from hetmig.interpreter.portable import choose, places_of, resume_point

SOURCE = """\
def finally_(a, b):
    try:
        if a():
            return 1
        for x in b:
            if x:
                break
            a(x)
    finally:
        b()
    a(2)

def loop(a):
    while a() and a(1):
        a(2)
    return a(3)

def ends(a, b):
    if a:
        x = 1
    elif b:
        x = 2
    else:
        x = 3
    return a(x)

def generator(a):
    yield a
    yield from a
    return (x for x in a)
"""
CODE = compile(SOURCE, "s", "exec")
FUNCTIONS = {c.co_name: c for c in CODE.co_consts if hasattr(c, "co_code")}


def places(name):
    return places_of(FUNCTIONS[name], SOURCE)


def calls(name, node):
    return places(name).by_name[Name("after", "call", node)]


def test_the_copies_of_a_finally_block_are_told_apart():
    # after `return 1`, after the break, at the end of the try (or as one with that), by exception
    found = places("finally_")
    copies = calls("finally_", "body.0.body.0.finalbody.0.value")
    assert len(found.distinct(copies)) >= 3
    for place in copies:
        point = resume_point(found, place)
        values = [Entry(tuple(label), None) for label in place.labels if label.role != "null"]
        chosen = choose(found, point, values)
        assert found.same(chosen.offset, place.offset)


def test_both_tests_of_a_while_loop_are_the_same():
    for node in ("body.1.body.0.test.values.0", "body.1.body.0.test.values.1"):
        assert len(places("loop").distinct(calls("loop", node))) == 1


def test_the_copies_of_a_short_end_are_the_same():
    assert len(places("ends").distinct(calls("ends", "body.2.body.1.value"))) == 1


def test_calls_in_different_statements_are_not_the_same():
    (one,) = calls("loop", "body.1.body.0.body.0.value")
    (two,) = calls("loop", "body.1.body.1.value")
    assert not places("loop").same(one.offset, two.offset)


def test_yields_are_named():
    kinds = {(n.resume, n.kind, n.node) for n in places("generator").by_name}
    assert ("yielded", "yield", "body.3.body.0.value") in kinds
    assert ("yielded", "send iterator", "body.3.body.1.value") in kinds
    assert ("created", "created", "") in kinds


def test_what_has_no_name_is_refused():
    code = FUNCTIONS["ends"]
    offset = next(o for o in range(0, len(code.co_code), 2) if _name(code, o) == "STORE_FAST")
    with pytest.raises(NotMigratable, match="no counterpart"):
        places("ends").at(offset, Resume.AFTER)


def _name(code, offset):
    return places_of(code, SOURCE).roles.map.at(offset).name
