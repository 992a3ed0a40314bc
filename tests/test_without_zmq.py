"""Without pyzmq hetmig loads and goes on; only what talks to nodes needs it, and says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.interpreters import ROOT

START = "import sys; sys.modules['zmq'] = None\n"  # any import of it fails


def _run(program):
    command = [sys.executable, "-c", START + program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_state_is_written_and_loaded():
    program = """
from tests.golden import parcels
for name, data in parcels.written():
    parcels.RIGHT[name.partition(".")[0]](parcels.opened(data))
    print(name)
"""
    ended = _run(program)
    assert ended.returncode == 0, ended.stderr
    assert "frames.portable" in ended.stdout.split()


@pytest.mark.parametrize("name", ["connect", "Nodes"])
def test_what_needs_a_node_says_what_is_missing(name):
    program = f"""
import hetmig
try:
    hetmig.{name}
except hetmig.HetmigError as error:
    print(error)
"""
    assert f"pyzmq is not installed here: hetmig.{name} needs it" in _run(program).stdout
