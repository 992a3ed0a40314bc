"""How names are found and numbers shown."""

import argparse
import os
from pathlib import Path

import pytest
from rich.text import Text

from hetmig.commands.common import (
    UsageError,
    add_command,
    milliseconds,
    open_nodes,
    pick,
    place,
    plain,
    size,
)
from hetmig.node.keys import Keyring


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (7_654_321, "7.65 MB"),
        (3_000_000_000, "3 GB"),
        (4_000_000_000_000, "4e+03 GB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_times() -> None:
    assert milliseconds(0.00234) == "2.3 ms"
    assert milliseconds(0.123) == "123 ms"
    assert milliseconds(1.5) == "1.50 s"


def test_places_below_here_are_relative() -> None:
    assert place(os.path.join(os.getcwd(), "a", "b.py"), 3) == f"{os.path.join('a', 'b.py')}:3"
    assert place("/nowhere/b.py", 3) == "/nowhere/b.py:3"
    assert place("<stdin>", 3) == "<stdin>:3"


def test_plain_text_has_no_effect_on_a_terminal() -> None:
    assert Text.from_markup(plain("a\x1b[1m [bold]b\n")).plain == "a\\x1b[1m [bold]b\\n"


def test_a_name_may_be_abbreviated_if_only_one_fits() -> None:
    candidates = {"alpha": 1, "alphabet": 2, "beta": 3}
    assert pick("alpha", candidates, "node") == 1
    assert pick("b", candidates, "node") == 3
    with pytest.raises(UsageError, match="node 'al' could be alpha, alphabet"):
        pick("al", candidates, "node")
    with pytest.raises(UsageError, match="no node 'x'; there is: alpha, alphabet, beta"):
        pick("x", candidates, "node")
    with pytest.raises(UsageError, match="no task 'x'; there is: none"):
        pick("x", {}, "task")


def test_what_a_command_does_is_its_first_line() -> None:
    """Also if a colon stands somewhere in it."""
    commands = argparse.ArgumentParser().add_subparsers()
    add_command(commands, "one", int, "does this: and that.\n\nNot: this.")
    add_command(commands, "two", int, "`hetmig two`: does it.\n\nAt once.")
    shown = [choice.help for choice in commands._choices_actions]
    assert shown == ["does this: and that", "does it"]


def test_a_node_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could be asked, and how an address is written."""
    Keyring.create(tmp_path)
    monkeypatch.setattr("hetmig.commands.common._LISTENER_SECONDS", 0.0)
    monkeypatch.setenv("HETMIG_NODE", "tcp://127.0.0.1:1")
    for node, said in {
        "arm-box": "no node 'arm-box'; there is: none .* nothing listens at tcp://127.0.0.1:1",
        "arm-box:7717": "no node 'arm-box:7717'; an address is written tcp://arm-box:7717",
        "http://arm-box": "'http://arm-box' is no address of a node",
    }.items():
        with pytest.raises(UsageError, match=said):
            open_nodes(argparse.Namespace(node=node, keys=str(tmp_path)))
