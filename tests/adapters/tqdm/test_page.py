"""The program of tqdm's on the page of executors runs as it stands there."""

from __future__ import annotations

import pytest

from tests.executor.pages import programs, run_program

pytest.importorskip("tqdm", reason="needs hetmig[tqdm]")


def test_the_program_runs(monkeypatch, capsys):
    (program,) = programs("tqdm").values()
    assert run_program(program, monkeypatch, capsys)
