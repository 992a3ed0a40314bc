"""The code of a task goes ahead of it, and nothing depends on that."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hetmig.client import Nodes, connect
from hetmig.errors import NodeUnreachable, NotMigratable, ProtocolError
from hetmig.node import protocol
from hetmig.node.channel import OwnedLock
from hetmig.node.embedded import LocalNodes
from hetmig.node.hosted import Hosted
from hetmig.node.pool import Runner
from hetmig.node.precopying import Precopying, precopy
from hetmig.node.preparing import Preparing, _standing, quick_turns
from hetmig.node.protocol import Message
from hetmig.node.staging import Reservations
from hetmig.state.manifest import this_python
from tests.node.test_hosted import FakeNode, running, turns

TIMEOUT = 60
ME, OTHER = b"key of the source", b"key of another"


class FakeRunner(Runner):
    """One without a process."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.exited = loop.create_future()
        self.is_fresh = True
        self.on_message: Callable[[Message], None] | None = None
        self.sent: list[tuple[str, dict[str, Any], Sequence[Any]]] = []
        self.killed = self.is_prepared = False

    def send(self, kind: str, header: dict[str, Any], payload: Sequence[Any] = ()) -> None:
        self.sent.append((kind, header, payload))

    def ask(self) -> None: ...

    def kill(self) -> None:
        self.killed = True


class FakeLink:
    """To a destination that does as it is told."""

    def __init__(self, fails: bool = False) -> None:
        self.asked: list[tuple[str, dict[str, Any], Sequence[Any]]] = []
        self.fails = fails

    async def request(self, kind: str, header: Any, payload: Any, *, timeout: float) -> Message:
        self.asked.append((kind, header, payload))
        if self.fails:
            raise NodeUnreachable("it does not understand 'precopy'")
        return Message(protocol.REPLY, {"quick": True})


class FakeHosted:
    id = "t"

    def __init__(self) -> None:
        self.runner = FakeRunner()
        self.about = {"argv": [], "file": None, "events": 0, "hops": 3}


def _welcome(**changed: Any) -> dict[str, Any]:
    return {"python": {**this_python(), **changed}}


def _told(runner: FakeRunner, *modules: str) -> Message:
    kind, header, _ = runner.sent[-1]
    assert kind == protocol.PREPARE
    told = {"request": header["request"], "modules": list(modules), "places": []}
    return Message(protocol.PREPARED, told, [b"code"] if modules else [])


@pytest.mark.parametrize("fails", [False, True])
def test_what_the_runner_tells_goes_to_the_destination(fails: bool) -> None:
    async def scene() -> None:
        precopying, hosted, link = Precopying(), FakeHosted(), FakeLink(fails)
        sending = asyncio.create_task(precopying.send(hosted, link, _welcome(), TIMEOUT))  # type: ignore[arg-type]
        await turns()
        precopying.heard(_told(hosted.runner, "json"))
        assert await sending is not fails
        ((kind, header, payload),) = link.asked
        assert kind == protocol.PRECOPY
        assert payload == [b"code"]
        assert header["task"] == "t"
        assert header["modules"] == ["json"]
        assert "hops" not in header["about"]
        precopying.heard(_told(hosted.runner, "json"))  # once more, and too late
        assert len(link.asked) == 1

    asyncio.run(scene())


def test_there_may_be_nothing_to_send_or_nobody_to_say_it() -> None:
    async def scene() -> None:
        precopying, hosted, link = Precopying(), FakeHosted(), FakeLink()
        other = _welcome(version="2.7.18", magic="0")
        await precopying.send(hosted, link, other, TIMEOUT)  # type: ignore[arg-type]
        assert hosted.runner.sent == []  # bytecode is for the same version only
        sending = asyncio.create_task(precopying.send(hosted, link, _welcome(), TIMEOUT))  # type: ignore[arg-type]
        await turns()
        precopying.heard(_told(hosted.runner))
        await sending
        sending = asyncio.create_task(precopying.send(hosted, link, _welcome(), TIMEOUT))  # type: ignore[arg-type]
        await turns()
        hosted.runner.exited.set_result("was killed by SIGKILL")
        await sending
        hosted.runner = FakeRunner()
        await precopying.send(hosted, link, _welcome(), 0.01)  # type: ignore[arg-type]
        assert hosted.runner.sent
        assert link.asked == []

    asyncio.run(scene())


class FakeDestination:
    def __init__(self) -> None:
        self.given_back: list[Runner] = []
        self.reservations = Reservations(self.given_back.append)
        self.journal = self

    def has_room(self) -> bool:
        return True

    def is_prepared(self, task: str) -> bool:
        return self.reservations.is_prepared(task)


def _ahead(user: bytes, **changed: Any) -> Message:
    header = {"task": "t", "python": this_python(), "about": {}, "modules": [], "places": []}
    return Message(protocol.PRECOPY, {**header, **changed}, [b"code"], user=user)


def test_only_the_runner_that_waits_for_the_task_gets_it() -> None:
    async def scene() -> None:
        node, runner = FakeDestination(), FakeRunner()
        assert await precopy(node, _ahead(ME)) == ({}, [])  # type: ignore[arg-type]
        node.reservations.hold("t", runner, ME)
        await precopy(node, _ahead(OTHER))  # type: ignore[arg-type]
        assert runner.sent == []
        assert runner.is_fresh
        with pytest.raises(ProtocolError):
            await precopy(node, _ahead(ME, python={**this_python(), "magic": "0"}))  # type: ignore[arg-type]
        for _ in range(2):  # repeated
            answered = asyncio.create_task(precopy(node, _ahead(ME)))  # type: ignore[arg-type]
            await turns()
            assert not answered.done()
            assert runner.sent[-1][0] == protocol.PRECOPY
            assert runner.on_message is not None
            runner.on_message(Message(protocol.PRECOPIED, {}, []))
            assert await answered == ({"quick": True}, [])
        assert not runner.is_fresh
        assert node.reservations.take("t") is runner
        await precopy(node, _ahead(ME))  # type: ignore[arg-type]  # the task itself has come
        assert len(runner.sent) == 2
        node.reservations.close()

    asyncio.run(scene())


def test_a_runner_that_dies_of_it_is_not_waited_for() -> None:
    async def scene() -> None:
        node, runner = FakeDestination(), FakeRunner()
        node.reservations.hold("t", runner, ME)
        answered = asyncio.create_task(precopy(node, _ahead(ME)))  # type: ignore[arg-type]
        await turns()
        runner.exited.set_result("was killed by SIGSEGV")
        await answered
        assert node.reservations.waiting("t", ME) is None
        assert node.reservations.take("t") is None  # so the task gets another one
        node.reservations.close()

    asyncio.run(scene())


class FakeRuntime:
    """Of a task which stands in the test."""

    def __init__(self) -> None:
        self.root: Any = None
        self.preemptor = self.channel = self
        self.lock = OwnedLock()
        self.said: list[tuple[str, dict[str, Any], Sequence[Any]]] = []

    def get_ready(self) -> None: ...

    def send(self, kind: str, header: dict[str, Any], payload: Sequence[Any]) -> None:
        assert self.lock.owner == threading.get_ident()
        self.said.append((kind, header, payload))


def _answered(preparing: Preparing, looks: bool) -> None:
    """The control thread answers, and the main thread has its signal handler run meanwhile."""
    preparing.asked(Message(protocol.PREPARE, {"request": 7}, []))
    thread = threading.Thread(target=preparing.answer)
    thread.start()
    while thread.is_alive() and not (looks and preparing.note()):
        thread.join(0.001)
    thread.join()
    assert preparing.note() is False


def _asked(runtime: FakeRuntime, preparing: Preparing, looks: bool = True) -> None:
    runtime.root = sys._getframe(1)
    _answered(preparing, looks)


@pytest.mark.parametrize("looks", [True, False])
def test_a_runner_says_which_code_its_task_stands_in(looks: bool) -> None:
    runtime = FakeRuntime()
    preparing = Preparing(runtime)  # type: ignore[arg-type]
    _asked(runtime, preparing, looks)
    ((kind, header, codes),) = runtime.said
    assert kind == protocol.PREPARED
    assert header["request"] == 7
    found = [path for _, path, _ in header["places"]]
    assert found == (["_answered", "_asked"] if looks else [])
    assert codes == []
    preparing.answer()  # nobody has asked
    assert len(runtime.said) == 1


def test_a_namespace_of_the_programs_own_making_is_left_alone() -> None:
    class Touchy(dict[str, Any]):
        def get(self, *_: object) -> Any:
            raise AssertionError("a method of the program's was called")

        values = items = get

    def look() -> None:
        found.extend(_standing(sys._getframe(), root))

    found: list[Any] = []
    root = sys._getframe()
    exec("def touchy():\n    look()\ntouchy()", Touchy(look=look))
    assert [code.co_name for code, _ in found] == ["look"]


def test_what_goes_wrong_with_it_is_no_concern_of_the_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = FakeRuntime()
    preparing = Preparing(runtime)  # type: ignore[arg-type]
    monkeypatch.setattr("hetmig.state.precopy.described", None)
    _asked(runtime, preparing)
    assert runtime.said == [(protocol.PREPARED, {"request": 7, "modules": [], "places": []}, [])]
    with runtime.lock:  # the task is frozen, and waits for the verdict
        _asked(runtime, preparing)
    assert len(runtime.said) == 1


def test_the_task_ends_meanwhile() -> None:
    class SlowNode(FakeNode):
        async def precopy(self, hosted: Hosted, link: Any, welcome: Any, timeout: float) -> None:
            await never.wait()

    async def scene() -> None:
        node = SlowNode()
        task = await running(node)
        moving = asyncio.create_task(task.move("b", TIMEOUT, "client"))
        await turns()
        node.taken[0].say(protocol.DONE, n=1, ok=True, traceback="", kind="value")
        never.set()
        with pytest.raises(NotMigratable, match="has ended"):
            await moving
        assert node.notes == []
        assert node.reports[-1] == "end"

    never = asyncio.Event()
    asyncio.run(scene())


# With real processes ------------------------------------------------------------------------------

_MODULE = """
import os, time
imported = time.monotonic()
with open({marks!r}, "a") as marks:
    marks.write(f"{{os.getpid()}} {{imported}}\\n")
"""


def looping(stop: str) -> list[tuple[int, float, float]]:
    """Until that file is there: each process it was in, its first and last moment there."""
    import os
    import time

    import precopied_module

    assert precopied_module.imported
    seen: list[tuple[int, float, float]] = []
    done = 0
    while not (done % 50 == 0 and os.path.exists(stop)):
        now = time.monotonic()
        if not seen or seen[-1][0] != os.getpid():
            seen.append((os.getpid(), now, now))
        seen[-1] = (seen[-1][0], seen[-1][1], now)
        done += 1
    return seen


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Nodes]:
    marks = str(tmp_path / "marks")
    (tmp_path / "precopied_module.py").write_text(_MODULE.format(marks=marks))
    with (
        LocalNodes(2, names=["one", "two"], path=[str(tmp_path)]) as cluster,
        connect(cluster[0], keys=cluster.keys, echo=False) as client,
    ):
        yield client


def test_modules_are_imported_while_the_task_still_runs(two: Nodes, tmp_path: Path) -> None:
    stop, imports = tmp_path / "stop", tmp_path / "marks"
    task = two.submit(looping, str(stop))
    for target in ("two", "one", "two", "one"):
        assert task.migrate(target, timeout=TIMEOUT).destination == target
    stop.touch()
    seen = task.result(TIMEOUT)
    lines = [line.split() for line in imports.read_text().splitlines()]
    marked = {int(process): float(moment) for process, moment in lines}
    assert len(seen) == len(lines) == 5  # once in each process
    early = [marked[process] < last for (_, _, last), (process, _, _) in itertools.pairwise(seen)]
    assert any(early), "no hop was prepared: the source was still at work when its code arrived"


def test_threads_take_quick_turns_for_a_while_only() -> None:
    usual = sys.getswitchinterval()
    with quick_turns():
        assert sys.getswitchinterval() < usual / 5
    assert sys.getswitchinterval() == usual


def test_the_length_of_turns_that_the_task_chooses_meanwhile_stays() -> None:
    usual = sys.getswitchinterval()
    try:
        with quick_turns():
            sys.setswitchinterval(0.25)
        assert sys.getswitchinterval() == 0.25
    finally:
        sys.setswitchinterval(usual)
