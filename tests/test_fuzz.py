"""Inputs changed at random: who reads bytes of others takes them or answers with a HetmigError.

`python -m tests.fuzz` tries 10^6; here is a share of it that is the same in every run.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetmig.errors import HetmigError
from hetmig.node.rights import NEEDED
from tests.fuzz import mutation, targets
from tests.fuzz.__main__ import pool
from tests.fuzz.mutation import Fuzzer

SHARE = 5000
SEED = 20


def run(name: str, count: int) -> mutation.Report:
    report = Fuzzer(name, pool(name), SEED).run(count)
    print(report)
    assert report.found == []
    assert report.count >= count
    return report


@pytest.mark.parametrize("name", sorted(targets.TARGETS))
def test_a_share(name: str) -> None:
    report = run(name, SHARE)
    assert report.accepted or name == "sealed"
    assert sum(report.refused.values()) or name == "error"


@pytest.mark.nightly
def test_a_million() -> None:
    reports = [run(name, 1_000_000 // len(targets.TARGETS) + 1) for name in targets.TARGETS]
    assert sum(report.count for report in reports) >= 1_000_000


@pytest.mark.parametrize("name", sorted(targets.TARGETS))
def test_the_corpus(name: str) -> None:
    """Each was answered in a way of its own once, or by a crash."""
    for data in pool(name):
        check(name, data)


def check(name: str, data: bytes) -> None:
    try:
        targets.TARGETS[name](data)
    except HetmigError:
        pass


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)
HEADERS = st.dictionaries(st.sampled_from(["as", *targets._FIELDS]) | st.text(max_size=4), VALUES)


@settings(max_examples=200)
@given(st.sampled_from(sorted(NEEDED)) | st.text(max_size=5), HEADERS, st.lists(st.binary()))
def test_messages(kind: str, header: dict[str, Any], payload: list[bytes]) -> None:
    head = kind.encode("utf-8", "surrogatepass"), json.dumps(header).encode()
    check("message", targets.joined(*head, *payload))


@settings(max_examples=200)
@given(st.sampled_from(["manifest", "error", "mailbox"]), st.data())
def test_texts(name: str, data: st.DataObject) -> None:
    """A known one, a part of which is something else."""
    text = json.loads(data.draw(st.sampled_from(targets.seeds()[name])))
    place = text
    while isinstance(place, dict | list) and place:
        key = data.draw(
            st.sampled_from(sorted(place)) if isinstance(place, dict) else indices(place)
        )
        if data.draw(st.booleans()) or not place[key]:
            place[key] = data.draw(VALUES)
            break
        place = place[key]
    check(name, json.dumps(text).encode())


def indices(values: list[Any]) -> st.SearchStrategy[int]:
    return st.integers(0, len(values) - 1)


@settings(max_examples=200)
@given(st.sampled_from(sorted(targets.TARGETS)), st.binary(max_size=200))
def test_bytes(name: str, data: bytes) -> None:
    check(name, data)


@pytest.mark.parametrize("name", ["message", "manifest", "resealed"])
def test_a_planted_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all of this would prove nothing."""
    real = targets.want

    def careless(header: dict[str, Any], item: str, kind: type[Any], default: Any = ...) -> Any:
        value = header.get(item, default)
        if item in ("task", "epoch") and isinstance(value, list):
            raise TypeError("nobody thought of that")
        return real(header, item, kind, default)

    monkeypatch.setattr(targets, "want", careless)
    monkeypatch.setattr("hetmig.node.freezing.want", careless)
    report = Fuzzer(name, pool(name), SEED).run(SHARE)
    assert [answer for _, answer in report.found] == ["TypeError: nobody thought of that"]
