"""What a task needs, what a node has, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from hetmig.errors import HetmigError
from hetmig.node.placement.needs import Facts, amounts, checked, missing, settled

NODE = Facts(
    labels={"arch": "arm64", "zone": "secure", "python": "3.10", "spot": "no"},
    resources={"gpu": 2, "memory": 16e9},
    used={"gpu": 1},
    data=("s3://bucket", "/srv/archive/"),
)


@pytest.mark.parametrize(
    "needs",
    [
        {},
        {"arch": "aarch64"},
        {"arch": "arm64"},
        {"arch": ["x86_64", "aarch64"]},
        {"zone": "secure", "python": "3.10"},
        {"zone": True, "spot": False, "swift": False},
        {"gpu": 1, "memory": 16e9},
        {"gpu": 0, "fpga": 0},
        {"data": "s3://bucket"},
        {"data": "s3://bucket/part/of/it"},
        {"data": ["s3://bucket/", "/srv/archive/1997"]},
    ],
)
def test_what_a_node_has(needs: dict[str, Any]) -> None:
    assert missing(checked(needs), NODE) == []


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"arch": "x86_64"}, "arch=x86_64 (has arm64)"),
        ({"zone": ["open", "dmz"]}, "zone=open or dmz (has secure)"),
        ({"Zone": "secure"}, "Zone=secure (has no such label)"),
        ({"zone": "Secure"}, "zone=Secure (has secure)"),
        ({"spot": True}, "spot=true"),
        ({"zone": False}, "zone=false"),
        ({"gpu": 2}, "gpu=2 (1 of 2 free)"),
        ({"fpga": 1}, "fpga=1 (0 of 0 free)"),
        ({"data": "s3://bucket2"}, "data s3://bucket2"),
        ({"data": ["s3://bucket/x", "s3://other"]}, "data s3://other"),
        ({"data": "s3://"}, "data s3://"),
    ],
)
def test_what_it_lacks_is_named(needs: dict[str, Any], told: str) -> None:
    assert missing(checked(needs), NODE) == [told]


@pytest.mark.parametrize(
    "needs",
    [
        "zone=secure",
        {"gpu": -1},
        {"gpu": float("nan")},
        {"gpu": float("inf")},
        {"gpu": None},
        {"gpu": {"count": 1}},
        {"": "x"},
        {1: "x"},
        {"zone": ""},
        {"zone": []},
        {"zone": ["a", 1]},
        {"data": 1},
        {"zone": "x" * 2000},
        {f"n{number}": 1 for number in range(100)},
    ],
)
def test_what_is_no_need_is_refused(needs: Any) -> None:
    with pytest.raises(HetmigError):
        checked(needs)


def test_numbers_are_amounts_and_truth_is_none() -> None:
    assert amounts({"gpu": 1, "memory": 2.5, "zone": True, "arch": "x"}) == {
        "gpu": 1,
        "memory": 2.5,
    }


def test_who_settles_a_task() -> None:
    for user in ("client", "task"):
        assert settled({"id": "t"}, user) == {"id": "t", "stays": True}
    for other in ("placement", "drain"):
        assert settled({"id": "t"}, other) == {"id": "t"}
        assert settled({"id": "t", "stays": True}, other)["stays"]
