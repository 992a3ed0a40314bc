"""What both sides know beforehand is part of the format."""

from __future__ import annotations

import builtins
import hashlib

import pytest

from hetmig.interpreter.activation import NULL, UNBOUND
from hetmig.state import manifest, vocabulary
from hetmig.state.pickling import dumps, loads

PINNED = {2: "1009e8bf74e96754", 3: "c6806c0405fdbec9"}
"""The vocabulary of each format.  Never change a line: give a changed vocabulary another format."""


def named(value):
    return getattr(value, "__qualname__", None) or repr(value)


def test_it_changes_with_the_format_only():
    names = ["builtins", *map(named, vocabulary._KNOWN[1:])]
    shown = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    assert PINNED[manifest.FORMAT] == shown, names


def test_each_has_its_place():
    assert len(vocabulary.MEMO) == len(vocabulary._KNOWN)
    assert len(vocabulary._KNOWN) < 256  # two bytes each in a stream
    for value in vocabulary._KNOWN:
        assert loads(dumps([value, value]))[1] is value
        assert len(dumps(value)) < len(dumps(None)) + 20


@pytest.mark.parametrize(
    "value", [vars(builtins), NULL, UNBOUND], ids=["builtins", "NULL", "UNBOUND"]
)
def test_what_must_not_be_copied(value):
    assert loads(dumps({"in": [value]}))["in"][0] is value


def test_an_exec_namespace_shares_the_builtins():
    namespace = {}
    exec("x = len('abc')", namespace)
    got = loads(dumps(namespace))
    assert got["__builtins__"] is vars(builtins)
    assert got["x"] == 3
