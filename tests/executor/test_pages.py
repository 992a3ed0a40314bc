"""Each program on the pages of executors and of the asyncio client runs as it stands there."""

from __future__ import annotations

import pytest

from tests.executor.pages import programs, run_program

PROGRAMS = programs()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs(name, monkeypatch, capsys):
    shown = run_program(PROGRAMS[name], monkeypatch, capsys)
    if "# True cancelled" in PROGRAMS[name]:
        assert shown == "True cancelled\n"


def test_the_pages_have_programs():
    assert len(PROGRAMS) == 5
    assert len(programs("joblib")) == len(programs("tqdm")) == 1
