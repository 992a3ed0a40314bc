"""A real node on Windows: programs are taken there in the middle of a loop, and back."""

from __future__ import annotations

import sys

import pytest

import hetmig
from hetmig.client import connect
from hetmig.node.embedded import LocalNodes


def count_until_on(system):
    steps = 0
    while sys.platform != system:
        steps += 1
    back = 0
    while sys.platform == system:
        back += 1
    return steps > 0, back > 0


def to_and_fro():
    seen = []
    for place in ("windows", "linux", "windows"):
        hetmig.migrate(place)
        seen.append((hetmig.here(), sys.platform))
        print(f"on {sys.platform}")
    return seen


@pytest.mark.foreign
def test_a_program_moves_between_linux_and_windows(foreign):
    names = ["linux", "windows"]
    with (
        LocalNodes(2, python=[None, str(foreign("windows"))], names=names) as nodes,
        connect(nodes[0], keys=nodes.keys, echo=False) as connection,
    ):
        task = connection.submit(to_and_fro)
        expected = [("windows", "win32"), ("linux", "linux"), ("windows", "win32")]
        assert task.result(60) == expected
        task = connection.submit(count_until_on, "win32")
        for place in ("windows", "linux"):
            assert task.migrate(place).destination == place
        assert task.result(60) == (True, True)
