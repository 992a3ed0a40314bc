"""The steps of both sides of a handoff, put together."""

from __future__ import annotations

import pytest

from hetmig.node.timeline import checked, merged

AT_SOURCE = [("capture", 1.0), ("seal", 0.5), ("send", 0.25)]
QUICK_THERE = [
    ("verify", 0.25), ("answer", 0.25),
    ("rebuild", 2.0), ("commit", 0.125), ("start", 0.25), ("record", 1.0),
]  # fmt: skip


def the_sum(steps: list[list[object]]) -> float:
    return sum(float(str(seconds)) for _, _, seconds in steps)


def test_what_is_left_of_a_wait_is_the_way() -> None:
    source = [*AT_SOURCE, ("offer", 4.0), ("record", 0.5), ("commit", 2.0)]
    there = [("verify", 0.5), ("rebuild", 2.5), ("commit", 9.0), ("start", 0.25), ("record", 1.0)]
    found = merged(source, there)
    assert [(side, step) for side, step, _ in found[3:]] == [
        ("link", "offer"), ("destination", "verify"), ("destination", "rebuild"),
        ("source", "record"),
        ("link", "commit"), ("destination", "start"), ("destination", "record"),
    ]  # fmt: skip
    assert found[3] == ["link", "offer", 1.0]
    assert the_sum(found) == sum(seconds for _, seconds in source)


def test_what_is_done_beside_the_rebuilding_does_not_count() -> None:
    source = [*AT_SOURCE, ("offer", 1.0), ("record", 0.5), ("commit", 4.0)]
    found = merged(source, QUICK_THERE)
    assert [(side, step) for side, step, _ in found[3:]] == [
        ("link", "offer"), ("destination", "verify"), ("destination", "answer"),
        ("link", "commit"), ("destination", "rebuild"), ("destination", "start"),
        ("destination", "record"),
    ]  # fmt: skip
    assert the_sum(found) == sum(seconds for _, seconds in source)


def test_a_source_that_does_not_wait_is_at_work_beside_all_of_it() -> None:
    source = [*AT_SOURCE, ("record", 0.5), ("commit", 4.0)]
    found = merged(source, QUICK_THERE)
    assert [(side, step) for side, step, _ in found[3:]] == [
        ("link", "commit"), ("destination", "verify"), ("destination", "answer"),
        ("destination", "rebuild"), ("destination", "start"), ("destination", "record"),
    ]  # fmt: skip
    assert the_sum(found) == sum(seconds for _, seconds in source)


def test_what_is_recorded_before_the_offer_counts() -> None:
    source = [
        ("capture", 1.0), ("seal", 0.5), ("record", 0.75), ("send", 0.25),
        ("offer", 1.0), ("record", 0.5), ("commit", 4.0),
    ]  # fmt: skip
    found = merged(source, QUICK_THERE)
    assert found[2] == ["source", "record", 0.75]
    assert the_sum(found) == sum(seconds for _, seconds in source)


def test_clocks_that_do_not_agree_make_no_negative_times() -> None:
    found = merged([("offer", 1.0), ("commit", 1.0)], [("verify", 5.0), ("commit", 0.0)])
    assert found == [
        ["link", "offer", 0.0],
        ["destination", "verify", 5.0],
        ["link", "commit", 1.0],
    ]


@pytest.mark.parametrize("told", [None, 3, [3], [["verify", -1.0]], [["verify", float("inf")]],
                                  [["unheard", 1.0]], [["verify", 1]]])  # fmt: skip
def test_what_makes_no_sense_is_left_out(told: object) -> None:
    assert checked(told) == []
