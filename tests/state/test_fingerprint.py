"""The fingerprint of code: equal for the same source on every machine, and for no other."""

from __future__ import annotations

import marshal
import types
import weakref

import pytest

from hetmig.state import fingerprint as module
from hetmig.state.fingerprint import fingerprint
from tests.state import shapes


def of(source, name="f"):
    namespace = {}
    exec(compile(source, "somewhere.py", "exec"), namespace)
    return fingerprint(namespace[name].__code__)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(): return 1", "def f(): return 2"),
        ("def f(): return 1", "def f(): return 1.0"),
        ("def f(): return 1", "def f(): return True"),
        ("def f(): return 0.0", "def f(): return -0.0"),
        ("def f(): return 1j", "def f(): return -1j"),
        ("def f(): return 'a'", "def f(): return b'a'"),
        ("def f(): return (1, (2, 3))", "def f(): return (1, 2, 3)"),
        ("def f(): return ('a', 'bc')", "def f(): return ('ab', 'c')"),
        ("def f(x): return x in {1, 2}", "def f(x): return x in (1, 2)"),
        ("def f(): return x", "def f(): return y"),
        ("def f(a): return a", "def f(b): return b"),
        ("def f(a): return a", "def f(*, a): return a"),
        ("def f(a): return a", "def f(a, /): return a"),
        ("def f(a): return a", "def f(*a): return a"),
        ("def f(a): a", "def f(a): (lambda: a)"),
        ("def f(): return (lambda: 1)", "def f(): return (lambda: 2)"),
        ("def f(): return 1", "async def f(): return 1"),
        ("def f():\n try: a()\n except: b()", "def f():\n try: a()\n finally: b()"),
        ("def f():\n a\n b", "def f():\n b\n a"),
    ],
)
def test_what_makes_a_difference(one, other):
    assert of(one) != of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(a): return a", "\n\n# said otherwise\ndef f(a):\n\n    return (a)"),
        ("def f(x): return x in {1, 'a', 2}", "def f(x): return x in {1, 2, 'a'}"),
        ("def f(a=1): return a", "def f(a=2): return a"),  # a default is the function's, not code
    ],
)
def test_what_makes_none(one, other):
    assert of(one) == of(other)


def test_neither_use_nor_marshal_changes_it():
    def loop(n):
        total = 0
        for i in range(n):
            total += i * len("abc")
        return total

    def copied(code):
        return marshal.loads(marshal.dumps(code))

    before = fingerprint(copied(loop.__code__))
    for _ in range(100):
        loop(100)
    assert fingerprint(copied(loop.__code__)) == before
    assert fingerprint(loop.__code__.replace(co_filename="elsewhere.py")) == before
    warm = loop.__code__.replace(co_firstlineno=1000)
    assert fingerprint(warm) == before


def test_every_kind_of_constant():
    source = (
        "def f(x):\n return x[1:2], ..., None, True, -1, 10**100, 'ä\\ud800', b'\\0', 1e400, 2j"
    )
    assert len(of(source)) == 16


def test_constants_that_no_compiler_makes():
    code = of.__code__
    assert fingerprint(code.replace(co_consts=(*code.co_consts, []))) is None
    nested = code.replace(co_consts=(*code.co_consts, (frozenset({object()}),)))
    assert fingerprint(nested) is None


def test_code_is_not_kept_alive_nor_mistaken_for_later_code(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 10)
    monkeypatch.setattr(module, "_known", {})
    seen = set()
    for n in range(100):
        code = compile(f"{n}", "f.py", "eval")
        seen.add(fingerprint(code))
        reference = weakref.ref(code)
        del code
        assert reference() is None
    assert len(seen) == 100
    assert len(module._known) <= 10


def test_shapes_differ():
    found = [
        fingerprint(value.__code__)
        for value in vars(shapes).values()
        if isinstance(value, types.FunctionType) and value.__module__ == shapes.__name__
    ]
    assert len(set(found)) >= len(found) - 4  # aliases and the wrappers of one decorator
