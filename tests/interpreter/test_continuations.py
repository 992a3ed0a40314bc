"""Where a frame may go on in another text of its function: only where it goes on with the same."""

from __future__ import annotations

import ast
import textwrap

import pytest

from hetmig.interpreter.continuations import Correspondence


def led(theirs: str, ours: str, text: str) -> str | None:
    """What our text has at the place where theirs has `text`; None if it must not go on there."""
    theirs, ours = textwrap.dedent(theirs), textwrap.dedent(ours)
    found = Correspondence(theirs, ours).mapping(_path(theirs, text))
    return None if found is None else ast.unparse(_node(ours, found(_path(theirs, text))))


def _path(source: str, text: str) -> str:
    paths = [path for path, node in _walk(ast.parse(source), "") if ast.unparse(node) == text]
    assert paths, f"{text} is nowhere"
    return paths[-1]


def _walk(node: ast.AST, path: str):
    for name, value in ast.iter_fields(node):
        for index, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(each, ast.AST):
                here = ".".join(str(step) for step in (path, name, index) if step not in ("", None))
                if isinstance(each, ast.expr):
                    yield here, each
                yield from _walk(each, here)


def _node(source: str, path: str) -> ast.AST:
    found: ast.AST = ast.parse(source)
    for step in path.split("."):
        found = found[int(step)] if step.isdigit() else getattr(found, step)
    return found


SLEEP = """
    async def sleep(delay, result=None):
        '''Wait.'''
        if delay <= 0:
            await nothing()
            return result
        future = new()
        try:
            return await future
        finally:
            cancel()
"""
CHECKS = SLEEP.replace(
    "future = new()", "if isnan(delay):\n            raise E\n        future = new()"
)


def test_what_was_done_before_does_not_matter() -> None:
    assert led(SLEEP, CHECKS, "await future") == "await future"
    assert led(CHECKS, SLEEP, "await future") == "await future"


def test_what_is_left_by_a_return_is_not_followed() -> None:
    assert led(SLEEP, CHECKS, "await nothing()") == "await nothing()"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("            cancel()", "            cancel(1)"),
        ("        finally:\n            cancel()", "        finally:\n            pass"),
        ("        try:\n", "        if 1:\n          try:\n"),
        ("return await future", "x = await future"),
        ("async def", "def"),
    ],
)
def test_what_comes_after_must_be_the_same(one: str, other: str) -> None:
    assert one in SLEEP
    try:
        assert led(SLEEP, SLEEP.replace(one, other), "await future") is None
    except SyntaxError:
        pass


def _f(body: str) -> str:
    return "def f(a):\n" + textwrap.indent(textwrap.dedent(body), "    ")


SAME = [
    # in a block, and what follows it
    ("x()\nif a:\n  p()\n  q()\nr()", "if b:\n  q()\n  p()\n  q()\nr()", "p()", "p()"),
    # a whole loop, elsewhere
    ("for i in a:\n  p()", "x()\nfor i in a:\n  p()", "p()", "p()"),
    # handlers that can still be reached
    ("try:\n  p()\nexcept E:\n  q()", "x()\ntry:\n  y()\n  p()\nexcept E:\n  q()", "p()", "p()"),
    # in a handler, only its own end and `finally`
    (
        "try:\n  x()\nexcept E as e:\n  p()\nfinally:\n  q()",
        "try:\n  y()\nexcept F:\n  pass\nexcept G as e:\n  p()\nfinally:\n  q()",
        "p()",
        "p()",
    ),
    # a block that was entered in another way
    ("with m(1) as x:\n  p()", "with m(2, 3) as x:\n  p()", "p()", "p()"),
    ("raise p()", "x()\nraise p()\ny()", "p()", "p()"),
]
OTHERS = [
    ("p()\nq()", "p()\nr()", "p()"),
    ("p()", "p()\nq()", "p()"),
    ("if a:\n  p()\nq()", "if a:\n  p()\nelse:\n  x()\nr()", "p()"),
    # the loop's test, its other rounds and its end
    ("while a:\n  p()", "while b:\n  p()", "p()"),
    ("while a:\n  x()\n  p()", "while a:\n  y()\n  p()", "p()"),
    ("for i in a:\n  p()\nelse:\n  q()", "for i in a:\n  p()", "p()"),
    ("for i in a:\n  p()\n  return\nq()", "for i in a:\n  p()\n  return\nr()", "p()"),
    # an exception may lead to what follows, even if the block ends with a return
    (
        "try:\n  return p()\nexcept E:\n  pass\nq()",
        "try:\n  return p()\nexcept E:\n  pass\nr()",
        "p()",
    ),
    ("with m() as x:\n  return p()\nq()", "with m() as x:\n  return p()\nr()", "p()"),
    ("try:\n  p()\nexcept E:\n  q()", "try:\n  p()\nexcept F:\n  q()", "p()"),
    ("try:\n  x()\nexcept E as e:\n  p()", "try:\n  x()\nexcept E as f:\n  p()", "p()"),
    ("with m() as x:\n  p()", "with n() as x:\n  p()", "p()"),
    ("with m() as x:\n  p()", "with m() as x, n():\n  p()", "p()"),
    ("with m() as x:\n  p()", "if m():\n  p()", "p()"),
    # a name that means a variable in one of them, and something of the module in the other
    ("x = 1\np()\nq(x)", "p()\nq(x)", "p()"),
    ("p()\nq(x)", "x = 1\np()\nq(x)", "p()"),
    (
        "try:\n  x()\nexcept* E:\n  p()\nexcept* F:\n  q()",
        "try:\n  x()\nexcept* E:\n  p()\nexcept* F:\n  r()",
        "p()",
    ),
    # the rest of the statement
    ("p() + q()", "p() + r()", "p()"),
]


@pytest.mark.parametrize(("theirs", "ours", "text", "there"), SAME)
def test_goes_on_there(theirs: str, ours: str, text: str, there: str) -> None:
    assert led(_f(theirs), _f(ours), text) == there


@pytest.mark.parametrize(("theirs", "ours", "text"), OTHERS)
def test_does_not_go_on_there(theirs: str, ours: str, text: str) -> None:
    assert led(_f(theirs), _f(ours), text) is None
    assert led(_f(theirs), _f(theirs), text) == text


def test_methods_and_functions_are_found_in_their_blocks() -> None:
    method = "if 1:\n    def f(a):\n        x()\n        p()"
    found = Correspondence(method, _f("p()")).mapping("body.0.body.0.body.1.value")
    assert found is not None
    assert found("body.0.body.0.body.1.value") == "body.0.body.0.value"


def test_a_call_that_has_not_begun_needs_the_same_arguments() -> None:
    def begins(theirs: str, ours: str) -> bool:
        return Correspondence(theirs, ours).mapping("") is not None

    assert begins("def f(a, *, b): x()", "def f(a, *, b=1): y()")
    assert not begins("def f(a): x()", "def f(a, b=1): x()")
    assert not begins("def f(a): x()", "async def f(a): x()")


def test_what_does_nothing_that_matters_is_passed_by() -> None:
    def idle(statement: ast.stmt) -> bool:
        return ast.unparse(statement) == "note()"

    theirs, ours = _f("p()\nq()"), _f("note()\np()\nnote()\nq()\nnote()")
    both = Correspondence(theirs, ours, idle)
    found = both.mapping("body.0.body.0.value")
    assert found is not None
    assert found("body.0.body.0.value") == "body.0.body.1.value"
    assert both.is_whole()
    assert not Correspondence(theirs, ours).is_whole()
    # in a loop, a place is known by its number
    loops = _f("for i in a:\n  p()\n  q()"), _f("for i in a:\n  note()\n  p()\n  q()")
    assert Correspondence(*loops, idle).mapping("body.0.body.0.body.0.value") is None


def test_a_statement_by_its_text_is_one_of_each() -> None:
    theirs, ours = _f("x()\np()\nq()"), _f("if a:\n  p()\nr()")
    both = Correspondence(theirs, ours)
    found = both.same_statement("body.0.body.1.value.func", {"p()"})
    assert found is not None
    assert found("body.0.body.1.value.func") == "body.0.body.0.body.0.value.func"
    assert both.same_statement("body.0.body.2.value", {"p()"}) is None
    twice = Correspondence(theirs, _f("p()\np()"))
    assert twice.same_statement("body.0.body.1.value", {"p()"}) is None


def test_inner_functions_that_share_variables() -> None:
    theirs, ours = _f("nonlocal n\np()\nn += 1"), _f("nonlocal n\nx()\np()\nn += 1")
    assert Correspondence(theirs, ours).mapping("body.0.body.1.value") is not None
    own = _f("n = 0\np()\nn += 1")
    assert Correspondence(theirs, own).mapping("body.0.body.1.value") is None


def test_documentation_is_no_statement() -> None:
    assert Correspondence(_f("'one'\np()"), _f("'two'\np()")).is_whole()
    assert not Correspondence(_f("p()"), "def f(b):\n    p()").is_whole()
