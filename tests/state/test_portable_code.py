"""Code and frames of a script go to other versions of Python, and do the same there."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path

import pytest

from tests.interpreters import ROOT, RUNNING, VERSIONS, with_pytest
from tests.state.portable_child import HERE, LEFT

PROGRAMS = ["portable_shapes.py", "portable_generators.py"]
FAR = "3.14" if RUNNING < "3.14" else "3.11"
"""One whose code differs in everything."""
STEPS = 7
"""The job leaves at so many of its places before it goes on elsewhere."""


def child(version, job, *arguments):
    """The exit code and the last line, as JSON, of a child of this version."""
    python, environment = with_pytest(version)
    ended = subprocess.run(
        [python, "-W", "error", HERE / "portable_child.py", job, *map(str, arguments)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ended.returncode == LEFT:
        return LEFT, None
    assert ended.returncode == 0, f"{version}: {ended.stderr}"
    return 0, json.loads(ended.stdout.splitlines()[-1])


def must_do_the_same(program: str, source: str, destinations: list[str], directory: Path) -> None:
    parcel = directory / f"{source}.parcel"
    _, expected = child(source, "make", HERE / program, parcel)
    assert len(expected) > 9
    for destination in destinations:
        _, found = child(destination, "load", parcel)
        assert found == expected, f"{source} -> {destination}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_there(program, tmp_path):
    must_do_the_same(program, RUNNING, [FAR], tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_and_here(program, tmp_path):
    must_do_the_same(program, FAR, [RUNNING], tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("source", VERSIONS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_everywhere(program, source, tmp_path):
    must_do_the_same(program, source, list(VERSIONS), tmp_path)


def journey(versions, steps, parcel):
    """How often the job has left, and its result."""
    job = "start"
    for hops, version in enumerate(itertools.cycle(versions)):
        code, found = child(version, job, parcel, steps)
        if code != LEFT:
            return hops, found
        job = "go"
    raise AssertionError


def test_a_stack_of_frames_goes_through_all_versions(tmp_path):
    _, expected = journey([RUNNING], 10**9, tmp_path / "parcel")
    hops, found = journey([RUNNING, *VERSIONS], STEPS, tmp_path / "parcel")
    assert found == expected
    assert hops >= 5


@pytest.mark.nightly
@pytest.mark.parametrize("one", VERSIONS)
@pytest.mark.parametrize("other", VERSIONS)
def test_there_and_back_at_every_place(one, other, tmp_path):
    _, expected = journey([one], 10**9, tmp_path / "parcel")
    hops, found = journey([one, other], 1, tmp_path / "parcel")
    assert found == expected
    assert hops > 30
