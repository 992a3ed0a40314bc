"""Values that the standard library compares by `is` are themselves after a move."""

import argparse
import optparse
import string

import pytest

from hetmig.state.constants import introduce
from hetmig.testing import torture


def holds_them():
    held = [argparse.SUPPRESS, {"no": optparse.NO_DEFAULT}, (string._sentinel_dict,)]
    for _ in range(2):
        pass
    (dictionary,) = held[2]
    return (
        held[0] is argparse.SUPPRESS,
        held[1]["no"] is optparse.NO_DEFAULT,
        dictionary is string._sentinel_dict,
    )


def parses():
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    for name in ("--one", "--two", "--three"):
        parser.add_argument(name, type=int)
    for _ in range(2):
        pass
    return sorted(vars(parser.parse_args(["--two", "2"])).items())


def parses_the_old_way():
    parser = optparse.OptionParser(usage=optparse.SUPPRESS_USAGE)
    for name in ("--one", "--two"):
        parser.add_option(name, type="int", help=optparse.SUPPRESS_HELP)
    values, rest = parser.parse_args(["--two", "2", "more"])
    return vars(values), rest, parser.format_help()


@pytest.mark.parametrize("where", ["here", "process"])
@pytest.mark.parametrize("program", [holds_them, parses, parses_the_old_way])
def test_they_are_themselves(program, where):
    assert torture(program, where=where, at_most=12, seed=3).migrated >= 2


def test_only_loaded_modules_are_named(monkeypatch):
    memo, written = introduce(100)
    assert memo[id(argparse.SUPPRESS)] == (100, argparse.SUPPRESS)
    assert b"optparse" in written
    monkeypatch.delitem(introduce.__globals__["sys"].modules, "optparse")
    memo, written = introduce(100)
    assert id(optparse.NO_DEFAULT) not in memo
    assert b"optparse" not in written
