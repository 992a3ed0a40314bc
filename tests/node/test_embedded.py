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


def test_ctrl_c_while_it_starts_is_for_its_parent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The whole process group gets it, so the node may be in the middle of its imports."""
    (tmp_path / "hetmig" / "node").mkdir(parents=True)
    (tmp_path / "hetmig" / "node" / "serve.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "def embedded_main(settings):\n"
        """    print('{"place": {"name": "a"}}', flush=True)\n"""
    )
    node = LocalNode("a", [sys.executable], [str(tmp_path)], tmp_path)
    node.wait_until_ready()
    node.release()
    assert node.wait() == 0
    assert capfd.readouterr().err == ""
