"""Passive objects: data that lies at a node, fetched and moved by a reference."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from typing import Any

import pytest

from hetmig.client import Nodes, connect
from hetmig.errors import (
    ActorLost,
    NodeUnreachable,
    NoSuchObject,
    NotConnected,
    NotMigratable,
)
from hetmig.node.embedded import LocalNodes
from hetmig.node.shelf import Shelves
from hetmig.remote import ObjectRef
from tests.node import actors

TIMEOUT = 60


def test_it_lies_where_it_was_put_and_moves(nodes: Nodes, cluster: LocalNodes) -> None:
    ref = nodes.put({"a": [1, 2, 3]}, at="b")
    assert (ref.name, ref.where(), nodes.get(ref)) == ("dict", "b", {"a": [1, 2, 3]})
    hop = ref.move("c")
    assert (hop.source, hop.destination, hop.requested_by, hop.frames) == ("b", "c", "client", 0)
    assert nodes.move(ref, cluster.endpoints[0]).destination == "a"
    assert (ref.where(), ref.get()) == ("a", {"a": [1, 2, 3]})
    assert [hop.requested_by for hop in ref.journey()] == ["placement", "client", "client"]
    shown = next(info for info in nodes.tasks() if info.id == ref.id)
    assert (shown.what, shown.state, shown.node) == ("object", "kept", "a")


def test_each_fetch_is_a_copy_as_it_was(nodes: Nodes) -> None:
    data = [bytearray(1 << 20), "shared"]
    ref = nodes.put([data, data])
    data[0][0] = 1  # type: ignore[index]
    first, second = ref.get(), ref.get()
    assert first[0] is first[1]
    assert first == second
    assert first[0] is not second[0]
    assert first[0][0][0] == 0


def test_a_reference_can_be_pickled(nodes: Nodes, cluster: LocalNodes) -> None:
    ref = nodes.put("content", at="b")
    other = pickle.loads(pickle.dumps(ref))
    assert other == ref
    assert hash(other) == hash(ref)
    with pytest.raises(NotConnected, match=r"nodes\.bind"):
        other.get()
    with connect(cluster[2], keys=cluster.keys) as elsewhere:  # not its home node
        assert elsewhere.get(other) == "content"
        bound = elsewhere.bind(other)
        assert bound.move("c").destination == "c"
        assert bound.where() == "c"
    assert ref.where() == "c"
    found = nodes.find(ref.id)
    assert isinstance(found, ObjectRef)
    assert found.get() == "content"


def test_a_task_uses_it_and_returns_references(nodes: Nodes) -> None:
    ref = nodes.put([1, 2], at="b")
    assert nodes.submit(actors.fetch, ref, "c").result(TIMEOUT) == ([1, 2], "c", "a")
    passed_on = nodes.submit(actors.same, ref).result(TIMEOUT)
    assert passed_on.get() == [1, 2]


def test_fetched_while_it_moves_all_the_time(nodes: Nodes) -> None:
    ref = nodes.put(list(range(1000)), at="b")
    stop = threading.Event()
    seen: list[Any] = []

    def fetch() -> None:
        while not stop.is_set():
            seen.append(ref.get() == list(range(1000)))

    thread = threading.Thread(target=fetch)
    thread.start()
    places = [ref.move("cab"[i % 3]).destination for i in range(9)]
    stop.set()
    thread.join()
    assert "".join(places) == "cab" * 3
    assert seen
    assert all(seen)
    epochs = [hop.epoch for hop in ref.journey()]
    assert epochs == sorted(set(epochs))


def test_a_deleted_one_is_no_more(nodes: Nodes) -> None:
    ref = nodes.put("content", at="b")
    nodes.delete(ref)
    for use in (ref.get, ref.delete, lambda: ref.move("c")):
        with pytest.raises(NoSuchObject, match="deleted"):
            use()
    assert next(info.state for info in nodes.tasks() if info.id == ref.id) == "deleted"


def test_an_unknown_reference(nodes: Nodes) -> None:
    ref = nodes.bind(ObjectRef("0123456789ab", "str", nodes.put("").home, None))
    with pytest.raises(NoSuchObject, match="0123456789ab"):
        ref.get()
    with pytest.raises(NoSuchObject):
        nodes.find("0123456789ab")


def test_an_unknown_or_dead_destination(nodes: Nodes) -> None:
    with pytest.raises(NodeUnreachable):
        nodes.put("content", at="nowhere")
    ref = nodes.put("content")
    with pytest.raises(NodeUnreachable):
        ref.move("tcp://127.0.0.1:1", timeout=1)
    assert (ref.where(), ref.get()) == ("a", "content")


def test_what_cannot_travel_is_named(nodes: Nodes) -> None:
    with pytest.raises(NotMigratable, match=r"the object\['lock'\]"):
        nodes.put({"lock": sys.flags})


def test_a_task_or_actor_is_not_fetched(nodes: Nodes) -> None:
    actor = nodes.spawn(actors.Ledger)
    with pytest.raises(Exception, match="no object"):
        nodes.get(ObjectRef(actor.id, "x", actor.home, None))
    actor.delete()


def test_a_node_keeps_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(Shelves, "LIMIT", 100 + Shelves.EACH)
        shelves = Shelves()
        shelf = shelves.make({}, 60)
        with pytest.raises(NotMigratable, match="no room"):
            shelves.make({}, 60)
        shelf.kill()
        shelf.kill()
        assert shelves.used == 0
        shelves.make({}, 100)

    asyncio.run(test())


def test_without_its_former_hosts_and_with_its_node_lost() -> None:
    """Nothing of an object is needed at the nodes it has left; its own one takes it along."""
    with LocalNodes(4) as four, connect(four[0], keys=four.keys, echo=False) as nodes:
        ref, actor = nodes.put("content", at="b"), nodes.spawn(actors.Ledger, "first", at="b")
        ref.move("c")
        actor.migrate("c")
        four[1].kill()
        assert ref.get() == "content"
        assert actor.read().result(TIMEOUT) == ["first"]
        with connect(four[3], keys=four.keys) as elsewhere:
            assert elsewhere.get(ref) == "content"
        waiting = actor.wait_for("/nowhere")
        four[2].kill()
        with pytest.raises(ActorLost, match="node c"):
            waiting.result(TIMEOUT)
        with pytest.raises(NoSuchObject, match="node c"):
            ref.get()
