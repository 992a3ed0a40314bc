"""Bytecode of another Python is refused before anything is unpickled."""

from __future__ import annotations

import json
import sys

import pytest

from hetmig.errors import UnsupportedFormat, VersionMismatch
from hetmig.state.manifest import FORMAT, check_python, make_manifest, this_python


def test_our_own_is_accepted():
    manifest = make_manifest("value", [], 1, {"id": "t"})
    check_python(json.loads(json.dumps(manifest)))
    assert manifest["task"] == {"id": "t"}
    assert manifest["python"]["byteorder"] == sys.byteorder


def test_another_machine_is_accepted():
    other = {"bits": 32, "byteorder": "big", "machine": "s390x", "system": "Plan 9"}
    check_python(make_manifest("value", [], 1) | {"python": this_python() | other})


@pytest.mark.parametrize(
    "other",
    [{"version": "3.2.1"}, {"implementation": "pypy"}, {"magic": "00000d0a"}, {"version": None}],
)
def test_another_python_is_refused_by_name(other):
    manifest = make_manifest("value", [], 1) | {"python": this_python() | other}
    with pytest.raises(VersionMismatch) as caught:
        check_python(manifest)
    here = f"{sys.implementation.name} {this_python()['version']}"
    assert here in str(caught.value)
    assert caught.value.data["present"] == here


def test_patch_releases_are_alike():
    major, minor = sys.version_info[:2]
    check_python(
        make_manifest("value", [], 1)
        | {"python": this_python() | {"version": f"{major}.{minor}.99"}}
    )


@pytest.mark.parametrize(
    "change", [{"format": FORMAT - 1}, {"format": FORMAT + 1}, {"kind": "?"}, {"python": None}]
)
def test_another_format(change):
    with pytest.raises(UnsupportedFormat):
        check_python(make_manifest("value", [], 1) | change)


def test_kinds_have_names():
    with pytest.raises(ValueError, match="no such kind"):
        make_manifest("thing", [], 1)
