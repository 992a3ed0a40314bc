"""A record as frames, and back: the same for all who follow it; anything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import HetmigError
from hetmig.node.record import Record
from hetmig.node.rehoming.packing import pack, unpack
from tests.node.test_home import HERE, THERE, about, end, output


def lived_through(*, ended: bool) -> Record:
    """A record that has seen a lot, events that came early among it."""
    record = Record(about(), HERE, deeds=["first", "second"])
    for number in (1, 2, 3, 6):
        record.event(*output(number, b"%d\n" % number))
    record.output.seen(2)
    record.hop({"epoch": 2, "freeze_s": 0.1})
    record.arrived(3, THERE, {"epoch": 3})
    record.given_up.append(HERE)
    record.chronicle.saved({"epoch": 3, "number": 1, "time": 12.5, "node": "there", "bytes": 9})
    record.chronicle.restarted(3, "there", None)
    record.progress = [1, 2, "half"]
    if ended:
        for number in (4, 5):
            record.event(*output(number, b"%d\n" % number))
        record.event(*end(7, hops=1, result=b"the result"))
        assert record.outcome is not None
    return record


@pytest.mark.parametrize("ended", [False, True])
def test_it_is_the_same_afterwards(ended: bool) -> None:
    before = lived_through(ended=ended)
    after = unpack([memoryview(bytes(frame)) for frame in pack(before)])
    assert after.summary() == before.summary()
    for seen in range(8):
        theirs, ours = (record.told(seen, b"k" * 32)[0] for record in (after, before))
        del theirs["mark"], ours["mark"]  # which is for the same process only
        assert theirs == ours
    assert after.outcome == before.outcome
    assert (after.deeds, after.given_up, after.fence) == (before.deeds, [HERE], 0)
    for record in (before, after):
        for number in (4, 5):
            record.event(*output(number, b"%d\n" % number))
        record.event(*end(7, hops=1, result=b"the result"))
    assert [*after.output.pieces] == [*before.output.pieces]
    assert after.outcome == before.outcome


VALUES = st.sampled_from([None, -1, 0, 1 << 70, "x", "", [], [1], {}, {"a": 1}, [[1, 2, 3]], 1.5])


@given(st.data())
def test_what_is_no_record_is_refused_by_name(data: st.DataObject) -> None:
    """Whatever is wrong in it, and however many pieces are there."""
    description, *rest = (bytes(frame) for frame in pack(lived_through(ended=True)))
    state: dict[str, Any] = json.loads(description)
    item = data.draw(st.sampled_from(sorted(state)))
    state[item] = data.draw(VALUES)
    cut = data.draw(st.integers(0, len(rest[0])))
    frames = [json.dumps(state).encode(), rest[0][:cut], *rest[1:]]
    try:
        record = unpack(frames)
    except HetmigError:
        return
    json.dumps(record.summary())  # which is what everybody asks for


@pytest.mark.parametrize("frames", [[], [b""], [b"{}", b""], [b"[" * 200, b""], [b"\xff", b"x"]])
def test_garbage(frames: list[bytes]) -> None:
    with pytest.raises(HetmigError):
        unpack(frames)
