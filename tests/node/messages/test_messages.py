"""Messages between real nodes: to tasks that move, wait, end, and are restarted."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import random
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import hetmig
from hetmig.cli import main
from hetmig.client import Nodes, Task, connect
from hetmig.errors import (
    HetmigError,
    MailboxFull,
    NameTaken,
    NoReply,
    NoSuchTask,
    NotInTask,
    NotMigratable,
    NotReceived,
)
from hetmig.messages import TaskRef
from hetmig.node.embedded import LocalNode, LocalNodes
from hetmig.node.location import POLICIES
from hetmig.node.methods import freeze_message
from tests.node.messages import programs

TIMEOUT = 60
WaitFor = Callable[[Task, str], str]


def test_a_message_finds_the_task_where_it_is(nodes: Nodes, wait_for: WaitFor) -> None:
    task = nodes.submit(programs.listens, 6)
    wait_for(task, "begun")
    sent = [task.send(number, timeout=TIMEOUT) for number in range(2)]
    task.migrate("b", timeout=TIMEOUT)
    sent += [task.send(number, timeout=TIMEOUT) for number in range(2, 4)]
    task.migrate("c", timeout=TIMEOUT)
    sent += [task.send(number, timeout=TIMEOUT) for number in range(4, 6)]
    assert task.result(TIMEOUT) == list(range(6))
    for message in sent:
        message.received(TIMEOUT)


def test_moved_while_it_waits(nodes: Nodes) -> None:
    """In `receive`, blocked, with nothing there; many times."""
    task = nodes.submit(programs.collects, 2)
    for place in "bcab":
        assert task.migrate(place, timeout=TIMEOUT).destination == place
    task.send("one")
    task.migrate("c", timeout=TIMEOUT)
    task.send("two")
    assert task.result(TIMEOUT) == (["one", "two"], "c")


def test_requests_from_a_client_and_from_a_task_that_moves(nodes: Nodes) -> None:
    server = nodes.with_options(name="server").submit(programs.serves)
    assert server.request("x", timeout=TIMEOUT) == ("x", "a")
    asker = nodes.submit(programs.asks, server, 3, "bc")
    server.migrate("c", timeout=TIMEOUT)
    answers = asker.result(TIMEOUT)
    assert [value for value, _ in answers] == [0, 0, 1, -1, 2, -2]
    assert server.result(TIMEOUT) == ["client", *["asks"] * 6]


def test_under_asyncio(nodes: Nodes, wait_for: WaitFor) -> None:
    server = nodes.submit(programs.serves)
    asker = nodes.submit(programs.asks_at_once, server, "b")
    assert [value for value, _ in asker.result(TIMEOUT)] == list(range(5))
    assert server.result(TIMEOUT) == ["asks_at_once"] * 5
    task = nodes.submit(programs.waits_under_asyncio)
    wait_for(task, "begun")
    task.migrate("c", timeout=TIMEOUT)
    task.send("x")
    task.migrate("b", timeout=TIMEOUT)
    task.send("y")
    assert task.result(TIMEOUT) == ["x", "y", "none"]


def test_the_sender_of_a_message_can_be_written_to(nodes: Nodes) -> None:
    first = nodes.submit(programs.replies_to, None)
    second = nodes.submit(programs.greets, first)
    assert second.result(TIMEOUT) == ("thanks", "hello")
    assert first.result(TIMEOUT) is False


def test_what_a_task_leaves_is_told_to_its_senders(
    nodes: Nodes, cluster: LocalNodes, tmp_path: Path
) -> None:
    task = nodes.submit(programs.leaves_some)
    task.migrate("b", timeout=TIMEOUT)
    with connect(cluster[2], keys=cluster.keys, echo=False) as other:
        mine: Any = other.find(task.id)
        first = task.send("first")
        first.received(TIMEOUT)
        assert task.result(TIMEOUT) == ["first"]
        with pytest.raises(NotReceived, match=task.id) as caught:
            mine.send("late")
        assert caught.value.data["name"] == "leaves_some"
        with pytest.raises(NotReceived, match="ended"):
            task.request("late")
    busy = nodes.submit(programs.dozes, str(tmp_path / "go"))
    left = [busy.send(number) for number in range(3)]
    busy.cancel()
    for message in left:
        with pytest.raises(NotReceived, match=busy.id):
            message.received(TIMEOUT)
    silent = nodes.submit(programs.never_replies)
    with pytest.raises(NoReply, match="without a reply"):
        silent.request("anything", timeout=TIMEOUT)


def test_a_task_hears_of_the_end_of_another(nodes: Nodes, tmp_path: Path) -> None:
    path = str(tmp_path / "end")
    other = nodes.submit(programs.leaves_some, path)
    found = nodes.submit(programs.hears_of_the_end, other, path).result(TIMEOUT)
    assert found == ["NotReceived", "NotReceived", "NotReceived", "NoSuchTask", "None"]


def test_names(nodes: Nodes, cluster: LocalNodes) -> None:
    task = nodes.with_options(name="crawler-3").submit(programs.serves)
    assert task.name == "crawler-3"
    with pytest.raises(NameTaken, match=task.id):
        nodes.with_options(name="crawler-3").submit(programs.serves)
    assert nodes.find("crawler-3") is task
    assert nodes.find(task.id) is task
    with connect(cluster[1], keys=cluster.keys, echo=False) as other:
        found = other.find("crawler-3")
        assert isinstance(found, TaskRef)
        assert (found.id, found.where()) == (task.id, "a")
        assert found.request(1, timeout=TIMEOUT) == (1, "a")
        found.migrate("b", timeout=TIMEOUT)
        assert found.request(2, timeout=TIMEOUT) == (2, "b")
        copy = other.bind(pickle.loads(pickle.dumps(task)))
        assert copy == found
        with pytest.raises(NoSuchTask, match="nobody"):
            other.find("nobody")
        found.cancel()
    with pytest.raises(NoSuchTask):
        nodes.find("crawler-3")
    again = nodes.with_options(name="crawler-3").submit(programs.serves)
    assert nodes.find("crawler-3") is again
    again.cancel()
    with pytest.raises(HetmigError, match="1 to 200"):
        nodes.with_options(name="").submit(programs.serves)
    with pytest.raises(HetmigError, match="location"):
        nodes.with_options(location="guess")


def test_functions_and_large_values_travel(nodes: Nodes, cluster: LocalNodes) -> None:
    task = nodes.submit(programs.applies)
    cloudpickle.register_pickle_by_value(programs)  # which the nodes do not have
    try:
        task.send(programs.adding(22))
    finally:
        cloudpickle.unregister_pickle_by_value(programs)
    task.migrate("b", timeout=TIMEOUT)
    task.send(abs)
    assert task.result(TIMEOUT) == [42, 20]
    server = nodes.submit(programs.serves)
    data = bytes(range(256)) * (1 << 14)
    assert server.request(data, timeout=TIMEOUT)[0] == data
    with pytest.raises(NotMigratable, match="the message"):
        server.send(sys.flags)
    server.cancel()


def test_outside_a_task() -> None:
    for attempt in (hetmig.receive, lambda: hetmig.send("x", 1), lambda: hetmig.find("x")):
        with pytest.raises(NotInTask):
            attempt()


def test_on_asyncio(cluster: LocalNodes, nodes: Nodes) -> None:
    """The client's core: a message, and many at once that arrive in order."""
    task = nodes.submit(programs.collects, 50)

    async def program() -> None:
        connection = nodes._connection
        frozen = [freeze_message(number) for number in range(50)]
        sending = [connection.send(task.id, nodes._home, one) for one in frozen]
        for posted in await asyncio.gather(*sending):
            assert (await posted.outcome).error is None

    nodes._call(program())
    assert task.result(TIMEOUT)[0] == list(range(50))


@pytest.mark.nightly
def test_a_full_mailbox_holds_its_senders_back(nodes: Nodes, tmp_path: Path) -> None:
    """300 MB do not fit; who does not wait gets MailboxFull, and what follows is still in order."""
    go = tmp_path / "go"
    task = nodes.submit(programs.dozes, str(go))
    large = bytes(90 << 20)
    for _ in range(3):
        task.send(large)
    with pytest.raises(MailboxFull):
        task.send("no room", timeout=0.1)
    go.touch()
    task.send("room", timeout=None)
    task.send(None)
    assert [len(value) for value in task.result(TIMEOUT)] == [*[90 << 20] * 3, 4]


def test_the_command_line(
    nodes: Nodes, cluster: LocalNodes, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ["--node", cluster[1].endpoint, "--keys", str(cluster.keys)]
    task = nodes.with_options(name="talker").submit(programs.serves)
    assert main(["send", "talker", "how are you", "--request", *keys]) == 0
    assert "('how are you', 'a')" in capsys.readouterr().out
    assert main(["send", task.id, "that is all", "--received", *keys]) == 0
    assert capsys.readouterr().out == "received by talker on a\n"
    assert task.result(TIMEOUT) == ["client"]
    assert main(["send", "talker", "again", *keys]) == 2
    assert "no task 'talker'" in capsys.readouterr().err


def test_a_checkpoint_holds_the_mailbox(nodes: Nodes, wait_for: WaitFor, tmp_path: Path) -> None:
    """What the copy has not received comes to it, too; what came later does not."""
    task = nodes.submit(programs.receives_and_checkpoints, str(tmp_path))
    for number in range(5):
        task.send(number)
    wait_for(task, "kept")
    task.send("later")
    task.send(None)
    assert task.result(TIMEOUT) == [0, 1, 2, 3, 4, "later"]
    again = nodes.resume(tmp_path)
    again.migrate("b", timeout=TIMEOUT)
    again.send("new")
    again.send(None)
    assert again.result(TIMEOUT) == [0, 1, 2, 3, 4, "new"]


def kill_and_start(node: LocalNode, all_nodes: LocalNodes) -> None:
    node.kill()
    node.start()
    node.wait_until_ready()
    node.introduce([node.place for node in all_nodes.nodes])


def test_a_killed_node_has_what_it_had_accepted(tmp_path: Path) -> None:
    """Whether the task had received it, which begins again where it had arrived, or had not."""
    with LocalNodes(2, state=tmp_path / "state") as two:
        with connect(two[0], keys=two.keys, echo=False) as nodes:
            go = tmp_path / "go"
            task = nodes.submit(programs.receives_one_and_dozes, str(go))
            before = task.send("before")
            waits = task.send("waits")
            before.received(TIMEOUT)
            task.migrate("b", timeout=TIMEOUT)
            large = task.send(bytes(1 << 20))
            kill_and_start(two[1], two)
            after = task.send("after", timeout=TIMEOUT)
            kill_and_start(two[1], two)
            go.touch()
            task.send(None, timeout=TIMEOUT)
            assert task.result(TIMEOUT) == ["before", "waits", bytes(1 << 20), "after"]
            for message in (before, waits, large, after):
                message.received(TIMEOUT)


def test_a_server_that_is_killed_again_and_again(tmp_path: Path) -> None:
    """It replies anew, and nobody notices; senders go on while it is down."""
    with LocalNodes(3, state=tmp_path / "state") as three:
        with connect(three[0], keys=three.keys, echo=False) as nodes:
            server = nodes.submit(programs.serves)
            server.migrate("b", timeout=TIMEOUT)
            assert server.request(0, timeout=TIMEOUT) == (0, "b")
            asker = nodes.with_options(at="c").submit(programs.asks_again, server, 100)
            for number in range(1, 4):
                kill_and_start(three[1], three)
                assert server.request(number, timeout=TIMEOUT) == (number, "b")
            assert asker.result(TIMEOUT) == list(range(100))
            server.send(None)
            asked = server.result(TIMEOUT)
            assert sorted(asked) == ["asks_again"] * 100 + ["client"] * 4


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2))
def test_kills_and_moves_at_random(seed: int, tmp_path: Path) -> None:
    """The node that has the receiver is killed, at any moment of its moves too."""
    print("seed", seed)
    dice, count = random.Random(seed), 60
    with LocalNodes(4, state=tmp_path / "state") as four:
        with connect(four[0], keys=four.keys, echo=False) as nodes:
            task = nodes.submit(programs.dozes, str(tmp_path))
            senders = [
                nodes.submit(programs.sends_slowly, task, name, count, 0.05) for name in "xyz"
            ]
            rounds = 0
            while not all(sender.done() for sender in senders):
                with ThreadPoolExecutor() as pool:
                    moving = pool.submit(task.migrate, dice.choice("bcd"), TIMEOUT)
                    with contextlib.suppress(TimeoutError):
                        moving.exception(dice.uniform(0.0, 0.1))
                    for node in four.nodes[1:]:
                        if node.name == task.where():
                            kill_and_start(node, four)
                    moving.exception(TIMEOUT)
                task.send(("here", rounds), timeout=TIMEOUT)
                rounds += 1
            for sender in senders:
                assert sender.result(TIMEOUT) == count
            task.send(None)
            found = defaultdict(list)
            for name, number in task.result(TIMEOUT):
                found[name].append(number)
            expected = {name: list(range(count)) for name in "xyz"}
            assert found == {**expected, "here": list(range(rounds))}


@pytest.mark.parametrize(
    "policy",
    [
        name if name == "chain" else pytest.param(name, marks=pytest.mark.nightly)
        for name in POLICIES
    ],
)
def test_senders_and_a_moving_receiver_and_dead_former_hosts(policy: str) -> None:
    """All delivered once, in order, whatever is killed behind the task."""
    count, names = 60, "abcde"
    with LocalNodes(6, location=policy) as six:
        with connect(six[0], keys=six.keys, echo=False) as nodes:
            task = nodes.with_options(name="target").submit(programs.collects, 3 * count + 1)
            failed: list[BaseException] = []

            def send(name: str, index: int) -> None:
                try:
                    with connect(six[index], keys=six.keys, echo=False) as mine:
                        to: Any = mine.find("target")
                        for number in range(count):
                            to.send((name, number), timeout=TIMEOUT)
                except BaseException as error:
                    failed.append(error)

            pairs = [("x", 0), ("y", 5), ("z", 5)]
            threads = [threading.Thread(target=send, args=pair) for pair in pairs]
            for thread in threads:
                thread.start()
            for at, name in enumerate(names[1:], 1):
                task.migrate(name, timeout=TIMEOUT)
                if at > 1:
                    six[at - 1].kill()
            for thread in threads:
                thread.join()
            assert failed == []
            task.send(("x", count))
            got, where = task.result(TIMEOUT)
    assert where == "e"
    found = defaultdict(list)
    for sender, number in got:
        found[sender].append(number)
    assert found == {name: list(range(count + (name == "x"))) for name in "xyz"}


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(5))
def test_at_random(seed: int, cluster: LocalNodes, nodes: Nodes) -> None:
    """Tasks that send to a task, all of them moving."""
    print("seed", seed)
    dice = random.Random(seed)
    target = nodes.submit(programs.collects, 300)
    senders = [
        nodes.submit(programs.sends, target, [(name, number) for number in range(100)])
        for name in "xyz"
    ]
    moved = 0
    for _ in range(20):
        task = dice.choice([target, *senders])
        with contextlib.suppress(HetmigError):  # it has ended, or is there already
            task.migrate(dice.choice("abc"))
            moved += 1
    assert moved
    got, _ = target.result(TIMEOUT)
    for name in "xyz":
        assert [number for sender, number in got if sender == name] == list(range(100))


def test_between_python_versions(foreign: Callable[[str], Path]) -> None:
    """It waits here, goes on there, and so do messages with code in them."""
    other = foreign("3.14" if sys.version_info[:2] != (3, 14) else "3.12")
    with (
        LocalNodes(2, python=[None, str(other)]) as pair,
        connect(pair[0], keys=pair.keys, echo=False) as nodes,
    ):
        cloudpickle.register_pickle_by_value(programs)
        try:
            task = nodes.submit(programs.applies)
            task.migrate("b", timeout=TIMEOUT)
            task.send(programs.adding(22))
            task.migrate("a", timeout=TIMEOUT)
            task.send(programs.adding(1))
            assert task.result(TIMEOUT) == [42, 21]
        finally:
            cloudpickle.unregister_pickle_by_value(programs)
