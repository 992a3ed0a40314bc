"""Nodes of a source are found by position, and named alike in every version."""

import ast

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter.syntax import enclosing, syntax_of

SOURCE = """\
def f(xs):
    total = (
        xs
        .first(1)
        .second(g(2))
    )
    while total:
        for x in [y for y in h(xs)]:
            total = x
    return f"{g(total)}"
"""
SYNTAX = syntax_of(SOURCE)


def position_of(path):
    node = ast.parse(SOURCE)
    for name in path.split("."):
        node = node[int(name)] if name.isdecimal() else getattr(node, name)
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


@pytest.mark.parametrize(
    "path",
    ["body.0.body.0.value", "body.0.body.0.value.args.0", "body.0.body.1.body.0.iter"],
)
def test_an_expression_by_its_position(path):
    assert SYNTAX.node_at(position_of(path)) == path


def test_a_call_on_a_later_line_is_where_its_attribute_is():
    # so says every version's compiler of `.second(g(2))`
    assert SYNTAX.node_at((5, 5, 9, 15), ast.Call) == "body.0.body.0.value"
    assert SYNTAX.node_at((5, 5, 9, 15), ast.Attribute) == "body.0.body.0.value.func"


def test_no_expression_is_there():
    assert SYNTAX.node_at((1, 1, 0, 3)) == ""


def test_the_innermost_statement():
    assert SYNTAX.statement_at((7, 7, 10, 15)) == "body.0.body.1"
    assert SYNTAX.statement_at((9, 9, 12, 17)) == "body.0.body.1.body.0.body.0"
    assert SYNTAX.statement_at((70, 70, 1, 2)) == ""


def test_what_is_in_a_comprehension():
    comprehension = "body.0.body.1.body.0.iter"
    assert SYNTAX.in_comprehension(f"{comprehension}.elt")
    assert SYNTAX.in_comprehension(comprehension)
    # evaluated before it begins
    assert not SYNTAX.in_comprehension(f"{comprehension}.generators.0.iter")
    assert not SYNTAX.in_comprehension("body.0.body.1.body.0")


def test_the_ways_up():
    assert list(enclosing("body.0.value")) == ["body.0.value", "body.0", "body"]


def test_a_source_is_parsed_once():
    assert syntax_of("x = 1") is syntax_of("x = 1")


def test_a_source_that_is_none_is_refused():
    with pytest.raises(NotMigratable, match="can't parse the source"):
        syntax_of("def (:")
