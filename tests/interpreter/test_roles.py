"""What the slots of a value stack are for, read from this version's own code."""

import textwrap

import pytest

from hetmig.interpreter.labels import FILLED, is_constant
from hetmig.interpreter.roles import Roles
from hetmig.interpreter.syntax import syntax_of


def code_of(source):
    return next(
        const for const in compile(source, "s", "exec").co_consts if hasattr(const, "co_code")
    )


def roles_at(body):
    """The roles below the call of `here()` in a function with this body."""
    source = "async def f(a, b, c):\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    roles = Roles(code_of(source), syntax_of(source))
    call = source[: source.index("here()")].count("\n") + 1
    for start in sorted(roles.before):
        point, labels = roles.map.at(start), roles.before[start]
        position = roles.position(point)
        if point.name != "CALL" or position is None or position[0] != call:
            continue
        text = source.splitlines()[call - 1][position[2] : position[3]]
        if text == "here()":
            return [x for x in labels[: point.below_call] if x.role not in FILLED], roles
    raise AssertionError("no call")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("here()", []),
        ("for x in a:\n    here()", [("iterator", "a")]),
        ("for x in a.b():\n    here()", [("iterator", "")]),
        ("with a.b():\n    here()", ["exit"]),
        ("a(b, here())", [("value", "a"), ("value", "b")]),
        ("a.b(here())", ["callable"]),
        ("a + here()", [("value", "a")]),
        ("[a, b(c), here()]", [("value", "a"), ("value", "")]),
        ("a[b] += here()", [("value", "a"), ("value", "b"), ("value", "")]),
        ("a < b(c) < here()", [("value", "")]),
        ("a[here()] = b", [("value", "b"), ("value", "a")]),
        ("(a if b else c)(here())", [("value", "")]),
        ("f'{a}{here()}'", ["piece"]),
        ("try:\n    a()\nexcept E:\n    here()", ["previous"]),
        ("async for x in a:\n    here()", [("iterator", "a")]),
        (
            "match a:\n    case [x] if here():\n        pass\n    case 1:\n        pass",
            [("value", "a")],
        ),
    ],
)
def test_roles(body, expected):
    found, _ = roles_at(body)
    kept = [label for label in found if not is_constant(label) and not label.role.endswith("self")]
    assert len(kept) == len(expected)
    for label, wanted in zip(kept, expected, strict=True):
        if isinstance(wanted, str):
            assert label.role == wanted
        else:
            assert (label.role, label.name) == wanted


def test_a_value_is_named_by_its_node():
    found, _ = roles_at("a(b(1), [c(2)], here())")
    assert [label.node for label in found if not label.name] == [
        "body.0.body.0.value.args.0",
        "body.0.body.0.value.args.1",
    ]


def test_either_branch_is_the_value_of_the_whole():
    found, _ = roles_at("a.b(c) + (a(1) if b else b(2)) * here()")
    assert [label.node for label in found][-1] == "body.0.body.0.value.right.left"


def test_a_constant_is_found_in_the_code():
    found, roles = roles_at("a('text', here())")
    (constant,) = [label for label in found if is_constant(label)]
    assert roles.constant(constant) == "text"
