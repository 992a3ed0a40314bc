"""The program of joblib's on the page of executors runs as it stands there."""

from __future__ import annotations

import pytest

from tests.executor.pages import programs, run_program

pytest.importorskip("joblib", reason="needs hetmig[joblib]")


def test_the_program_runs(monkeypatch, capsys):
    (program,) = programs("joblib").values()
    assert run_program(program, monkeypatch, capsys)
