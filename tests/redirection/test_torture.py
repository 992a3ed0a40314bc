"""Programs with files are moved at their safe points, to processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.redirection.test_stdlib import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def torture(policy: str, hops: int) -> None:
    command = [sys.executable, "-m", "tests.redirection.torture", policy, str(hops)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def test_some_moves():
    torture("home", 12)


@pytest.mark.nightly
@pytest.mark.parametrize("policy", ["home", "reopen"])
def test_every_move(policy):
    torture(policy, 0)
