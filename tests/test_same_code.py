"""The same source has the same fingerprint on another machine."""

from __future__ import annotations

import subprocess

import pytest

from tests.interpreters import ROOT, RUNNING, with_pytest

SHOW = """
import sys, types
from hetmig.state.fingerprint import fingerprint
from tests.state import shapes

def show(space, prefix):
    for name, value in sorted(vars(space).items()):
        if isinstance(value, types.FunctionType):
            print(prefix + name, fingerprint(value.__code__).hex())
        elif isinstance(value, type):
            show(value, prefix + name + ".")

print("%d.%d" % sys.version_info[:2])
show(shapes, "")
"""


@pytest.mark.slow
@pytest.mark.foreign
@pytest.mark.parametrize("name", ["i386", "s390x"])
def test_the_same_on_other_machines(name, capsys):
    """32 bits, and the other byte order; also other micro versions than this one."""
    python, environment = with_pytest(name)
    command = [python, "-c", SHOW]
    theirs = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert theirs.returncode == 0, theirs.stderr
    version, *shown = theirs.stdout.splitlines()
    if version != RUNNING:
        pytest.skip(f"{name} is CPython {version}")
    exec(SHOW, {})
    assert capsys.readouterr().out.splitlines() == [version, *shown]
    assert len(shown) > 15
