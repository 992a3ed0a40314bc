"""Actors: an instance that lives at a node, is called through a proxy, and moves between calls."""

from __future__ import annotations

import asyncio
import pickle
import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import hetmig
from hetmig.client import Nodes, RemoteTraceback, Task, connect
from hetmig.errors import (
    ActorLost,
    MigrationRefused,
    NodeUnreachable,
    NotInTask,
    NotMigratable,
    SourceChanged,
    TaskFailed,
)
from hetmig.node.embedded import LocalNodes
from hetmig.remote import Actor
from tests.node import actors

TIMEOUT = 60
WaitFor = Callable[[Task, str], str]


@pytest.fixture
def ledger(nodes: Nodes) -> Iterator[Actor]:
    actor = nodes.spawn(actors.Ledger, at="b")
    yield actor
    if actor._summary()["state"] == "running":
        actor.delete()


def test_methods_give_futures(nodes: Nodes) -> None:
    ledger = nodes.spawn(actors.Ledger, "first", at="b")
    future = ledger.write("second", 2)
    assert isinstance(future, Future)
    assert future.result(TIMEOUT) == 2
    assert ledger.read().result(TIMEOUT) == ["first", ("second", 2)]
    assert ledger.here().result(TIMEOUT)[0] == "b" == ledger.where()
    assert ledger.later(4).result(TIMEOUT) == 5  # async def
    assert ledger.call("stop").result(TIMEOUT) == "a method of the class"
    ledger.stop().result(TIMEOUT)


def test_in_a_coroutine(nodes: Nodes, ledger: Actor) -> None:
    async def program() -> list[int]:
        calls = [asyncio.wrap_future(ledger.write(i)) for i in range(3)]
        return await asyncio.gather(*calls)

    assert asyncio.run(program()) == [1, 2, 3]


def test_an_exception_comes_with_its_traceback_and_the_actor_goes_on(ledger: Actor) -> None:
    with pytest.raises(LookupError, match="far away") as caught:
        ledger.fail("far away").result(TIMEOUT)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    remote = str(caught.value.__cause__)
    assert "in fail" in remote
    assert "servant.py" not in remote
    with pytest.raises(AttributeError, match="no_such"):
        ledger.no_such().result(TIMEOUT)
    with pytest.raises(TypeError, match="not a method"):
        ledger.lines().result(TIMEOUT)
    with pytest.raises(AttributeError, match="public"):
        ledger._private()
    with pytest.raises(AttributeError, match="private"):
        ledger.call("_private").result(TIMEOUT)
    with pytest.raises(NotMigratable, match=r"args\[1\]"):
        ledger.write(1, sys.flags)
    with pytest.raises(TaskFailed, match=r"result of Ledger.flags \(.*cannot travel"):
        ledger.flags().result(TIMEOUT)
    assert ledger.write("still here").result(TIMEOUT) == 1


def test_arguments_are_what_they_were_when_it_was_called(ledger: Actor) -> None:
    data = bytearray(1 << 17)
    future = ledger.write(data)
    data[0] = 1
    future.result(TIMEOUT)
    assert ledger.read().result(TIMEOUT)[0][0][0] == 0


def test_what_the_constructor_raises_spawn_raises(nodes: Nodes) -> None:
    with pytest.raises(ValueError, match="no ledger 'x'"):
        nodes.spawn(actors.Ledger, "x", fail=True, at="b")
    with pytest.raises(NodeUnreachable):
        nodes.spawn(actors.Ledger, at="nowhere")
    with pytest.raises(TypeError, match="class"):
        nodes.spawn(len)  # type: ignore[arg-type]


def test_what_it_writes_is_echoed(cluster: LocalNodes, capfd: pytest.CaptureFixture[str]) -> None:
    with connect(cluster[0], keys=cluster.keys) as nodes:
        ledger = nodes.spawn(actors.Ledger, at="b")
        ledger.say("hello").result(TIMEOUT)
        ledger.stop().result(TIMEOUT)
        nodes.task(ledger.id).result(TIMEOUT)
    assert capfd.readouterr().out == "hello\n"


def test_it_moves_with_data_only(nodes: Nodes, ledger: Actor) -> None:
    ledger.write("x").result(TIMEOUT)
    process = ledger.here().result(TIMEOUT)[1]
    hop = ledger.migrate("c")
    assert (hop.source, hop.destination, hop.frames) == ("b", "c", 0)
    place, another = ledger.here().result(TIMEOUT)
    assert place == "c" != another
    assert another != process
    assert ledger.count().result(TIMEOUT) == (1, 1)  # what its class has counted came along
    assert nodes.move(ledger, "a").destination == "a"
    assert ledger.write("y").result(TIMEOUT) == 2
    shown = next(info for info in nodes.tasks() if info.id == ledger.id)
    assert (shown.what, shown.name, shown.node, shown.hops) == ("actor", "Ledger", "a", 3)


def test_called_by_three_while_it_moves(nodes: Nodes, cluster: LocalNodes, ledger: Actor) -> None:
    """Two clients, one of them at another node, and a task: each call once, in order."""
    count = 150
    copies = pickle.dumps(ledger)
    told: dict[str, list[int]] = {}

    def call(name: str, index: int) -> None:
        with connect(cluster[index], keys=cluster.keys) as mine:
            actor = mine.bind(pickle.loads(copies))
            told[name] = [
                call.result(TIMEOUT) for call in [actor.write(name, i) for i in range(count)]
            ]

    threads = [threading.Thread(target=call, args=pair) for pair in (("x", 0), ("y", 2))]
    task = nodes.submit(actors.write_all, ledger, "z", count)
    for thread in threads:
        thread.start()
    moves = 0
    while moves < 6 or any(thread.is_alive() for thread in threads):
        ledger.migrate("cab"[moves % 3])
        moves += 1
    for thread in threads:
        thread.join()
    told["z"] = task.result(TIMEOUT)
    lines = ledger.read().result(TIMEOUT)
    assert len(lines) == 3 * count
    for name in "xyz":
        assert [line[1] for line in lines if line[0] == name] == list(range(count))
        assert [lines[position - 1] for position in told[name]] == [(name, i) for i in range(count)]
    assert ledger.count().result(TIMEOUT) == (3 * count, 3 * count)


def test_lost_messages_are_sent_again(
    nodes: Nodes, ledger: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests and answers get lost at random: what arrives is each call, once, in order."""
    chance = random.Random(17)
    ask = nodes._connection.ask
    lost = []
    asked: set[str] = set()

    async def careless(kind: str, *rest: Any) -> Any:
        # How many requests there are depends on the clock; the first of each kind gets lost.
        fate = chance.random() if kind in asked else 0.0
        asked.add(kind)
        if fate < 0.2:
            lost.append(kind)
            raise NodeUnreachable("the request was lost")
        told = await ask(kind, *rest)
        if fate < 0.4:
            lost.append(kind)
            raise NodeUnreachable("the answer was lost")
        return told

    monkeypatch.setattr(nodes._connection, "ask", careless)
    calls = [ledger.write(i) for i in range(100)]
    assert [call.result(TIMEOUT) for call in calls] == list(range(1, 101))
    monkeypatch.undo()
    assert {"call", "answers"} <= set(lost)
    assert ledger.read().result(TIMEOUT) == [(i,) for i in range(100)]


def test_it_does_not_move_within_a_call(
    nodes: Nodes, ledger: Actor, wait_for: WaitFor, tmp_path: Path
) -> None:
    signal = tmp_path / "signal"
    long = ledger.wait_for(str(signal))
    wait_for(nodes.task(ledger.id), "waiting")
    after = ledger.here()
    with pytest.raises(NotMigratable, match="'wait_for'"):
        ledger.migrate("c", timeout=0.3)
    moved: list[Any] = []
    mover = threading.Thread(target=lambda: moved.append(ledger.migrate("c", timeout=TIMEOUT)))
    mover.start()
    signal.touch()
    mover.join()
    assert long.result(TIMEOUT) == "b"
    assert moved[0].destination == "c"
    assert after.result(TIMEOUT)[0] in "bc"
    assert "between its calls" in ledger.leave("a").result(TIMEOUT)


def test_a_refused_move_leaves_the_calls_going_on(ledger: Actor, tmp_path: Path) -> None:
    ledger.hold(str(tmp_path / "held")).result(TIMEOUT)
    calls: list[Future[int]] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            calls.append(ledger.write("x"))
            calls[-1].result(TIMEOUT)

    caller = threading.Thread(target=call)
    caller.start()
    with pytest.raises(NotMigratable) as caught:
        ledger.migrate("c", timeout=0.5)
    stop.set()
    caller.join()
    assert caught.value.variable == "self.file"
    assert [call.result() for call in calls] == list(range(1, len(calls) + 1))
    assert (ledger.where(), ledger.journey()[1:]) == ("b", [])
    ledger.hold(None).result(TIMEOUT)
    assert ledger.migrate("c").destination == "c"


def test_a_killed_process_fails_what_was_not_answered(ledger: Actor) -> None:
    calls = [ledger.write("x"), ledger.die(), ledger.write("y")]
    assert calls[0].result(TIMEOUT) == 1
    for call in calls[1:]:
        with pytest.raises(ActorLost, match="SIGKILL"):
            call.result(TIMEOUT)
    with pytest.raises(ActorLost):
        ledger.read().result(TIMEOUT)
    with pytest.raises(ActorLost):
        ledger.migrate("c")


NONSENSE: list[tuple[str, dict[str, Any]]] = [
    ("get", {}),
    ("call", {}),
    ("call", {"method": "read", "sender": "s", "n": 1, "base": 1}),
    ("answers", {"sender": "s", "low": 1, "got": [], "seconds": float("nan")}),
    ("answers", {"sender": "s", "low": "1", "got": [], "seconds": 0}),
    ("answers", {"sender": ["s"], "low": 1, "got": None, "seconds": 0}),
    ("move-object", {"to": 1, "timeout": 1}),
    ("where", {"task": 7}),
    ("where", {"task": "unknown", "home": {"name": "x"}}),
    ("where", {"task": "unknown", "home": {"name": "x", "endpoint": "tcp://h:1", "key": "k"}}),
    ("where", {"task": "unknown", "ways": 1 << 40}),
]


def test_requests_that_make_no_sense(nodes: Nodes, ledger: Actor) -> None:
    for kind, more in NONSENSE:
        with pytest.raises(hetmig.HetmigError):
            nodes._ask(kind, {"task": ledger.id, "home": ledger.home, **more}, 20)
    assert ledger.read().result(TIMEOUT) == []


def test_a_stopped_one_has_done_what_came_before(nodes: Nodes, ledger: Actor) -> None:
    calls = [ledger.write(i) for i in range(5)]
    ledger.stop().result(TIMEOUT)
    assert [call.result(TIMEOUT) for call in calls] == [1, 2, 3, 4, 5]
    assert nodes.task(ledger.id).result(TIMEOUT) is None
    with pytest.raises(ActorLost, match="stopped"):
        ledger.read().result(TIMEOUT)


def test_an_actor_calls_another(nodes: Nodes, ledger: Actor) -> None:
    other = nodes.spawn(actors.Ledger)
    assert ledger.forward(other, "passed", "on").result(TIMEOUT) == 1
    ledger.migrate("c")
    other.migrate("b")
    assert ledger.forward(other, "once more").result(TIMEOUT) == 2
    assert other.read().result(TIMEOUT) == [("passed", "on"), ("once more",)]
    other.delete()


def test_a_task_is_moved_while_it_waits_for_an_answer(
    nodes: Nodes, ledger: Actor, wait_for: WaitFor, tmp_path: Path
) -> None:
    signal = tmp_path / "signal"
    task = nodes.submit(actors.wait_for_answer, ledger, str(signal))
    wait_for(task, "waiting")
    assert task.migrate("c").destination == "c"
    signal.touch()
    assert task.result(TIMEOUT) == ("b", "c")


def test_a_program_with_asyncio_awaits_answers(
    nodes: Nodes, ledger: Actor, wait_for: WaitFor, tmp_path: Path
) -> None:
    signal = tmp_path / "signal"
    task = nodes.submit(actors.awaits, ledger, str(signal))
    wait_for(task, "waiting")
    assert task.migrate("c").destination == "c"
    signal.touch()
    assert task.result(TIMEOUT) == ([1, 2], "b", "c")


def test_a_task_makes_actors_and_objects(nodes: Nodes) -> None:
    ref, actor = nodes.submit(actors.makes_its_own, "b").result(TIMEOUT)
    assert (ref.where(), ref.get()) == ("b", {"left": [1, 2]})
    assert actor.read().result(TIMEOUT) == ["made by a task"]
    actor.delete()
    with pytest.raises(NotInTask):
        hetmig.put(1)


def test_a_reply_is_of_the_task_that_called(nodes: Nodes, ledger: Actor) -> None:
    first, second = nodes.submit(actors.asks_for_others, ledger).result(TIMEOUT)
    assert "another task's" in first
    assert second.startswith("TimeoutError")


def test_drain_takes_objects_and_actors_along() -> None:
    with LocalNodes(2) as pair, connect(pair[0], keys=pair.keys, echo=False) as nodes:
        ref, actor = nodes.put("content"), nodes.spawn(actors.Ledger, "first")
        report = nodes.drain("a", TIMEOUT)
        assert {line["task"]: line["to"] for line in report} == {ref.id: "b", actor.id: "b"}
        assert (ref.get(), actor.read().result(TIMEOUT)) == ("content", ["first"])
        with pytest.raises(Exception, match="draining"):
            nodes.put("content")
        with pytest.raises(MigrationRefused, match="draining"):
            ref.move("a")


OLD, NEW = (
    f"class Counter:\n    step = {step}\n\n    def __init__(self):\n        self.n = 0\n\n"
    f"    def add(self):{comment}\n        self.n += self.step\n        return self.n\n\n"
    "    def apply(self, function):\n        return function(self.n)\n\n"
    "    def fetch(self, ref):\n        return ref.get()(2)\n\n\n"
    "def adder(number):\n    return lambda n: lambda more: (n, more, number)\n"
    for step, comment in ((1, ""), (2, "  # twice as much"))
)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNodes]:
    """Three nodes with a module of the same name: two have the same source but for a comment."""
    pythons = []
    root = tmp_path_factory.mktemp("versions")
    for name, text in (("old", OLD), ("new", NEW), ("same", f"# a comment\n\n{OLD}")):
        folder = root / name
        folder.mkdir()
        (folder / "counting.py").write_text(text)
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        pythons.append(str(python))
    with LocalNodes(3, python=pythons, names=["old", "new", "same"]) as nodes:
        yield nodes


@pytest.fixture
def counting(versions: LocalNodes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module as the client has it, which is the old one."""
    (tmp_path / "counting.py").write_text(OLD)
    monkeypatch.syspath_prepend(str(tmp_path))
    import counting  # type: ignore[import-not-found]

    yield counting
    del sys.modules["counting"]


def test_a_class_that_is_another_one_there_is_refused(versions: LocalNodes, counting: Any) -> None:
    with connect(versions[0], keys=versions.keys, echo=False) as nodes:
        counter = nodes.spawn(counting.Counter)
        assert counter.add().result(TIMEOUT) == 1
        with pytest.raises(SourceChanged, match=r"counting\.Counter") as caught:
            counter.migrate("new")
        needed, present = caught.value.data["needed"], caught.value.data["present"]
        assert needed != present
        assert {len(needed), len(present)} == {32}
        assert counter.add().result(TIMEOUT) == 2  # it goes on where it was
        assert counter.migrate("same").destination == "same"
        assert counter.add().result(TIMEOUT) == 3
        counter.delete()
        with pytest.raises(SourceChanged) as caught:
            nodes.spawn(counting.Counter, at="new")
        assert caught.value.data["present"] == present


def test_between_python_versions(
    foreign: Callable[[str], Path], counting: Any, tmp_path: Path
) -> None:
    """As data, and by the class's source: the bytecode of both has nothing in common."""
    other = foreign("3.14" if sys.version_info[:2] != (3, 14) else "3.12")
    with (
        LocalNodes(2, python=[None, str(other)], path=[str(tmp_path)]) as pair,
        connect(pair[0], keys=pair.keys, echo=False) as nodes,
    ):
        ref = nodes.put({"big": 2**70, "text": "\udc80"}, at="b")
        assert ref.get() == {"big": 2**70, "text": "\udc80"}
        ref.move("a")
        for ship in (False, True):
            counter = nodes.spawn(counting.Counter, at="b", ship=ship)
            assert counter.add().result(TIMEOUT) == 1
            for number, place in ((2, "a"), (3, "b")):
                assert counter.migrate(place).destination == place
                assert counter.add().result(TIMEOUT) == number
                # code as an argument, and in the answer
                later = counter.apply(counting.adder(number)).result(TIMEOUT)
                assert later(1) == (number, 1, number)
            counter.delete()
        kept = nodes.put(counting.adder(1))
        counter = nodes.spawn(counting.Counter, at="b")
        assert counter.fetch(kept).result(TIMEOUT)(3) == (2, 3, 1)


def test_a_class_that_is_shipped_is_the_same_everywhere(
    versions: LocalNodes, counting: Any
) -> None:
    with connect(versions[0], keys=versions.keys, echo=False) as nodes:
        counter = nodes.spawn(counting.Counter, ship=True)
        for number, place in enumerate(("new", "same", "old"), 1):
            assert counter.migrate(place).destination == place
            assert counter.add().result(TIMEOUT) == number
        counter.delete()
