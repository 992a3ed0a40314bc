"""The self-check proves the layout, and a wrong one does not pass it."""

import dataclasses

import pytest

from hetmig.errors import UnsupportedInterpreter
from hetmig.interpreter import layout, proof


def test_this_interpreter_is_proven():
    report = proof.self_check()
    assert report.ok, report.reason
    assert report.details["pointer_bytes"] in (4, 8)
    proof.require()


@pytest.fixture
def uncached():
    for known in (proof.self_check, layout.parts):
        known.cache_clear()
    yield
    for known in (proof.self_check, layout.parts):
        known.cache_clear()


@pytest.mark.parametrize("part", ["executable", "function", "locals", "localsplus", "owner"])
def test_a_wrong_offset_is_noticed(part, monkeypatch, uncached):
    right = layout.frame_layout()
    # one word off still lies inside the frame: wrong, but not a crash
    wrong = dataclasses.replace(right, **{part: getattr(right, part) + layout.WORD})
    monkeypatch.setattr(layout, "frame_layout", lambda: wrong)
    report = proof.self_check()
    assert not report.ok
    assert report.reason
    with pytest.raises(UnsupportedInterpreter, match="hetmig doctor"):
        proof.require()


def test_an_unknown_free_threaded_build_is_refused_by_name(monkeypatch, uncached):
    monkeypatch.setattr(proof.cpython, "FREE_THREADED_UNKNOWN", True)
    monkeypatch.setattr(layout, "frame_layout", lambda: pytest.fail("memory was read"))
    assert "is free-threaded; of those only 3.13 is known" in proof.self_check().reason


def test_another_implementation_is_refused_by_name(monkeypatch, uncached):
    monkeypatch.setattr(proof.sys.implementation, "name", "pypy")
    assert proof.self_check().reason == "pypy is not CPython"


@pytest.mark.parametrize("version", [(3, 10), (3, 99)])
def test_an_unknown_version_is_refused_before_anything_is_read(version, monkeypatch, uncached):
    monkeypatch.setattr(proof.cpython, "VERSION", version)
    monkeypatch.setattr(layout, "frame_layout", lambda: pytest.fail("memory was read"))
    assert "is not between 3.11 and 3.15" in proof.self_check().reason
