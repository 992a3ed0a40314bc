"""What befell a task: each thing once, in order, and not for ever."""

from __future__ import annotations

from hetmig.node.chronicle import Chronicle
from hetmig.node.record import Record
from hetmig.node.rehoming.packing import pack, unpack


def checkpoint(number: int, epoch: int = 1) -> dict[str, object]:
    return {"number": number, "epoch": epoch, "time": 100.0 + number, "node": "a", "bytes": 7}


def test_each_once_and_in_order() -> None:
    chronicle = Chronicle()
    for number in (2, 1, 2, 3):
        chronicle.saved(checkpoint(number))
    for epoch, when in ((9, 5.0), (4, None), (9, 6.0)):
        chronicle.restarted(epoch, "b", when)
    told = chronicle.all()
    assert [entry["number"] for entry in told["checkpoints"]] == [1, 2, 3]
    assert [(entry["epoch"], entry["time"]) for entry in told["restarts"]] == [(4, None), (9, 5.0)]


def test_the_oldest_checkpoints_are_only_counted() -> None:
    chronicle = Chronicle()
    for number in range(250):
        chronicle.saved(checkpoint(number))
    for made in (chronicle, Chronicle.unpacked(chronicle.all())):
        told = made.all()
        assert [told["checkpoints"][0]["number"], told["checkpoints"][-1]["number"]] == [150, 249]
        assert told["older"] == 150


def test_where_it_began_goes_along_to_another_home() -> None:
    place = {"name": "a", "endpoint": "tcp://a:1", "key": "k"}
    record = Record({"id": "t", "name": "job", "epoch": 1, "home": place}, place)
    record.about["home"] = {**place, "name": "b"}
    record.place = {**place, "name": "c"}
    there = unpack(pack(record))
    assert there.summary()["chronicle"]["begun_at"] == "a"
    old = record.chronicle.all()
    del old["begun_at"]
    assert Chronicle.unpacked(old).all()["begun_at"] == ""
