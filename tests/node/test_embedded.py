"""A node that is started by another process ends with it, whenever that is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hetmig.node.embedded import LocalNode
from hetmig.node.keys import Keyring
from tests.interpreters import ROOT


def test_a_parent_that_is_killed_while_it_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says that it is ready to nobody, and ends without a word on standard error."""
    Keyring.create(tmp_path / "keys")
    node = LocalNode("a", [sys.executable], [str(ROOT)], tmp_path / "keys")
    assert node._process.stdout is not None
    node._process.stdout.close()
    node.release()
    assert node.wait() == 0
    assert capfd.readouterr().err == ""
