"""A journey told page by page is the journey."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import ProtocolError
from hetmig.hops import Hops
from hetmig.node.itinerary import PAGE, Itinerary
from hetmig.node.protocol import LIMITS
from hetmig.node.record import Record

HOME = {"name": "a", "endpoint": "tcp://a:1", "key": "k"}
ABOUT = {"id": "t", "name": "job", "home": HOME, "epoch": 1}


def hop(epoch: int, source: str = "a", **more: Any) -> dict[str, Any]:
    return {"epoch": epoch, "source": source, **more}


def ask(itinerary: Itinerary, hops: Hops, *, complete: bool = False) -> int:
    """Ask until everything was told; how many hops came."""
    count, hops.is_complete = 0, False
    while not hops.is_complete:
        page = itinerary.page(json.loads(json.dumps(hops.mark)), complete=complete)
        assert len(page.hops) <= PAGE
        count += len(page.hops)
        hops.add({"task": {"hops": page.hops}, "mark": page.mark, "is_last": page.is_last})
    return count


def test_each_hop_is_told_once() -> None:
    itinerary, hops = Itinerary(), Hops()
    for epoch in range(2, 2 * PAGE + 5):
        itinerary.add(hop(epoch))
    assert ask(itinerary, hops) == 2 * PAGE + 3
    assert hops.all() == itinerary.all(complete=False)
    assert ask(itinerary, hops) == 0
    itinerary.add(hop(2 * PAGE + 5))
    assert ask(itinerary, hops) == 1
    assert hops.all() == itinerary.all(complete=False)


@pytest.mark.parametrize("first", ["source", "destination"])
def test_a_source_that_only_foresaw_a_hop_knows_less_of_it_than_the_destination(
    first: str,
) -> None:
    itinerary, hops = Itinerary(), Hops()
    foreseen, seen = hop(2, line=0, foreseen=True), hop(2, line=7)
    if first == "source":
        itinerary.add(foreseen)
        ask(itinerary, hops)
        itinerary.told_by_destination(seen)
    else:
        itinerary.told_by_destination(seen)
        itinerary.add(foreseen)
    ask(itinerary, hops)
    assert itinerary.all(complete=False) == hops.all() == [seen]
    assert len(itinerary) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["source", "destination", "ask"]), st.integers(2, 9)), max_size=40
    )
)
def test_whatever_the_order_of_the_reports(steps: list[tuple[str, int]]) -> None:
    itinerary, hops = Itinerary(), Hops()
    for number, (step, epoch) in enumerate(steps):
        if step == "ask":
            ask(itinerary, hops)
            assert hops.all() == itinerary.all(complete=False)
        elif step == "source":
            itinerary.add(hop(epoch, f"s{number}"))
        else:
            itinerary.told_by_destination(hop(epoch, f"d{number}"))
    ask(itinerary, hops, complete=True)
    assert hops.all() == itinerary.all(complete=True)
    assert itinerary.total(complete=True) == len(hops.all())
    assert itinerary.last(3, complete=True) == hops.all()[-3:]
    assert itinerary.last(0, complete=True) == []


def test_where_the_time_went_is_kept_of_the_last_ones() -> None:
    itinerary = Itinerary()
    for epoch in range(2, 302):
        itinerary.add(hop(epoch, steps=[["source", "capture", 0.001]]))
    assert [each["epoch"] for each in itinerary.all(complete=False) if "steps" in each] == [
        *range(202, 302)
    ]


def test_another_process_tells_all_again() -> None:
    before, after, hops = Itinerary(), Itinerary(), Hops()
    for epoch in (2, 3, 4):
        before.add(hop(epoch))
        after.add(hop(epoch))
    after.add(hop(5))
    ask(before, hops)
    assert ask(after, hops) == 4
    assert hops.all() == after.all(complete=False)


@pytest.mark.parametrize("mark", [[], ["x"], ["x", "1"], ["x", True], [1, 1], ["x", 1, 1]])
def test_what_is_no_mark(mark: list[Any]) -> None:
    with pytest.raises(ProtocolError, match="no mark"):
        Itinerary().page(mark, complete=False)


def test_the_end_comes_after_the_last_page() -> None:
    record = Record(ABOUT, HOME)
    for epoch in range(2, PAGE + 4):
        record.hop(hop(epoch))
    end = {"what": "end", "n": 1, "hops": PAGE + 2, "ok": True, "traceback": "", "python": {}}
    record.event(end, [])
    first, _ = record.told(0, b"")
    assert first["outcome"] is None
    assert not first["is_last"]
    second, _ = record.told(0, b"", first["mark"])
    assert second["outcome"] is not None
    assert len(second["task"]["hops"]) == 2


def test_a_long_journey_fits_into_its_messages() -> None:
    """With all of it, a list of the tasks and each news of one would be too large some day."""
    python = {"implementation": "cpython", "version": "3.11.7", "bits": 64, "text": "x" * 300}
    record = Record(ABOUT, HOME)
    for epoch in range(2, 20_002):
        steps = [["source", "step", 0.001, True]] * 14
        record.hop(hop(epoch, python=python, endpoint="e" * 500, steps=steps))
    assert len(json.dumps(record.summary())) > LIMITS.header
    assert len(json.dumps(record.brief())) < 4_000
    assert len(json.dumps(record.told(0, b"")[0])) < LIMITS.header // 10
    assert record.brief()["moves"] == 20_000
