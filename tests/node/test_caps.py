"""What a node gives at most: whoever wants more learns how much it is, and which setting."""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import fields

import pytest
import zmq

from hetmig.cli import build_parser
from hetmig.client import Nodes, Task
from hetmig.commands.common import byte_count
from hetmig.commands.node import CAPS, settings_of
from hetmig.errors import (
    HetmigError,
    MessageTooLarge,
    NotMigratable,
    ProtocolError,
    QuotaExceeded,
    TaskLost,
    TooLarge,
)
from hetmig.node import protocol
from hetmig.node.caps import SETTINGS, Caps
from hetmig.node.protocol import LIMITS, limits_of
from hetmig.node.serve import Settings
from hetmig.state.manifest import make_manifest
from tests.node import greedy, programs
from tests.node.apart import Apart, ask

TIMEOUT = 60
GIVEN = {
    "frames": 40,
    "header": 64 << 10,
    "frame": 1 << 20,
    "total": 2 << 20,
    "depth": 20,
    "tasks_per_key": 2,
    "runners": 3,
    "memory_per_task": 256 << 20,
    "cpu_per_task": 1,
}
needs_limits = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="not every system limits a process"
)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    nodes = Apart(tmp_path_factory.mktemp("keys"), "a", GIVEN)
    nodes.user("alice", a="all")
    nodes.user("bob", a="submit")
    yield nodes
    nodes.stop()


@pytest.fixture
def alice(apart: Apart) -> Iterator[Nodes]:
    with apart.connect(apart.user("alice", a="all"), "a") as nodes:
        yield nodes


@pytest.fixture
def bob(apart: Apart) -> Iterator[Nodes]:
    with apart.connect(apart.user("bob", a="submit"), "a") as nodes:
        yield nodes


def check(error: HetmigError, cap: str) -> None:
    assert error.data["setting"] == SETTINGS[cap]
    assert SETTINGS[cap] in str(error)
    assert error.data["cap"] == GIVEN[cap]
    assert error.data["value"] > GIVEN[cap]
    assert str(GIVEN[cap]) in str(error)


# A task ---------------------------------------------------------------------------------------


@needs_limits
def test_more_memory_than_a_task_has_is_a_memory_error(alice: Nodes) -> None:
    assert alice.submit(greedy.take, 100 << 20).result(TIMEOUT) == 100 << 20
    with pytest.raises(MemoryError) as caught:
        alice.submit(greedy.take, 1 << 30).result(TIMEOUT)
    assert caught.value.__notes__ == [
        f"a task has {256 << 20} bytes of memory on this node (--memory-per-task)"
    ]
    assert alice.submit(programs.add, 1).result(TIMEOUT) == 2


@needs_limits
def test_a_bomb_in_a_parcel_of_an_authorized_key_hits_its_runner_only(alice: Nodes) -> None:
    """Nine bytes that take 2 GB: the memo of the unpickler grows to an index."""
    bomb = b"\x80\x04Nr\xff\xff\xff\x0f."
    about = {"id": "bomb", "name": "bomb", "argv": None, "file": ""}
    manifest = make_manifest("call", [], 1, about)
    alice._call(alice._connection.submit(manifest, [bomb]))
    with pytest.raises(NotMigratable, match=r"MemoryError.*--memory-per-task"):
        alice.task("bomb").result(TIMEOUT)
    assert alice.submit(programs.add, 1).result(TIMEOUT) == 2


@needs_limits
def test_processor_time_that_is_used_up_ends_the_task(alice: Nodes) -> None:
    with pytest.raises(QuotaExceeded) as caught:
        alice.submit(greedy.compute_for_ever).result(TIMEOUT)
    error = caught.value
    assert error.data["setting"] == "--cpu-per-task"
    assert (error.data["cap"], "1 s" in str(error)) == (1, True)


@needs_limits
@pytest.mark.nightly
def test_of_a_coroutine_too(alice: Nodes) -> None:
    """An error within the event loop would be lost there: then it is killed."""
    for _ in range(5):
        with pytest.raises((QuotaExceeded, TaskLost), match="--cpu-per-task"):
            alice.submit(greedy.compute_in_a_coroutine).result(TIMEOUT)


@needs_limits
@pytest.mark.nightly
def test_who_goes_on_all_the_same_is_killed_and_that_is_said(alice: Nodes) -> None:
    with pytest.raises(TaskLost, match=r"was killed by SIG.*1 s of processor.*--cpu-per-task"):
        alice.submit(greedy.compute_whatever_happens).result(TIMEOUT)
    assert alice.submit(programs.add, 1).result(TIMEOUT) == 2


# A key, and the node --------------------------------------------------------------------------


def test_tasks_of_one_key_and_of_all(
    alice: Nodes, bob: Nodes, wait_for: Callable[[Task, str], str], tmp_path: object
) -> None:
    def waiting(nodes: Nodes) -> Task:
        task = nodes.submit(programs.read_later, str(tmp_path) + "/never")
        wait_for(task, "waiting")
        return task

    tasks = [waiting(alice), waiting(alice)]
    with pytest.raises(QuotaExceeded) as caught:
        alice.submit(programs.add, 1)
    check(caught.value, "tasks_per_key")
    tasks.append(waiting(bob))
    with pytest.raises(QuotaExceeded) as caught:
        bob.submit(programs.add, 1).result(TIMEOUT)
    check(caught.value, "runners")
    for task in tasks:
        assert task.cancel()
        with pytest.raises(CancelledError):
            task.result(TIMEOUT)
    tasks = [waiting(alice), waiting(alice)]
    for task in tasks:
        task.cancel()


# A message ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "cap"),
    [([2 << 20], "frame"), ([1 << 20] * 3, "total"), ([10] * 50, "frames")],
)
def test_what_the_node_would_not_take_is_not_even_sent(
    alice: Nodes, sizes: list[int], cap: str
) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        alice._connection.link.post("submit", {}, [bytes(size) for size in sizes])
    check(caught.value, cap)
    assert isinstance(caught.value, TooLarge)


@pytest.mark.parametrize(
    ("header", "payload", "cap"),
    [
        ({"x": "y" * (65 << 10)}, [], "header"),
        ({}, [b"x" * (1 << 20)] * 2, "total"),
        ({}, [b""] * 39, "frames"),
        ({}, [b""] * 100_000, "frames"),
        ({"x": json.loads("[" * 20 + "]" * 20)}, [], "depth"),
    ],
    ids=["header", "total", "frames", "100,000 frames", "depth"],
)
def test_and_who_sends_it_all_the_same_is_told(
    apart: Apart, header: dict[str, object], payload: list[bytes], cap: str
) -> None:
    with apart.raw(apart.user("alice", a="all"), "a") as dealer:
        _, told = ask(dealer, "submit", header, *payload, until=0)[-1]
    assert told["error"]["type"] == "MessageTooLarge"
    check(MessageTooLarge(told["error"]["message"], **told["error"]["data"]), cap)


def test_a_frame_beyond_the_cap_ends_the_connection_and_only_that(
    apart: Apart, alice: Nodes
) -> None:
    with apart.raw(apart.user("alice", a="all"), "a") as dealer:
        dealer.send_multipart([b"submit", b'{"id": 1}', bytes(2 << 20)])
        about = {"id": 2, "protocol": protocol.VERSION, "role": "client"}
        # The connection comes back by itself, without what was sent on it: so ask again and again.
        for _ in range(120):
            dealer.send_multipart([b"hello", json.dumps(about).encode()])
            if dealer.poll(500):
                break
        assert dealer.recv_multipart(zmq.NOBLOCK)[0] == b"reply"
    assert alice.submit(programs.add, 1).result(TIMEOUT) == 2


def test_a_length_of_two_to_the_63(apart: Apart, alice: Nodes) -> None:
    """A parcel that states it; what states it to libzmq is among the attacks."""
    head = struct.pack("!6sHIIQ", b"HETMIG", 1, 1, 2, 1 << 63)
    with apart.raw(apart.user("alice", a="all"), "a") as dealer:
        _, told = ask(dealer, "submit", {"id": 5}, head, b"{}", b"x", bytes(32), until=5)[-1]
    assert told["error"]["type"] == "ParcelTooLarge"
    assert alice.submit(programs.add, 1).result(TIMEOUT) == 2


# Settings -------------------------------------------------------------------------------------


def test_every_cap_has_its_option() -> None:
    assert {item.name for item in fields(Caps)} == set(SETTINGS) == set(CAPS)
    for name, (option, kind, _, _, shown) in CAPS.items():
        assert option == SETTINGS[name]
        if name != "memory_per_task":
            assert kind(shown) == getattr(Caps(), name)


def test_options_reach_the_node() -> None:
    def settings(*options: str) -> Settings:
        return settings_of(build_parser().parse_args(["node", *options]))

    assert settings().caps == Caps()
    assert settings("--runners", "7").caps.runners == Caps().runners
    given = [part for name, (option, *_) in CAPS.items() for part in (option, str(GIVEN[name]))]
    chosen = settings("--runners", "2", *given)
    assert chosen.caps == Caps(**GIVEN)
    assert chosen.spare == 2


def test_caps_of_messages_can_be_lowered_only() -> None:
    for item in fields(LIMITS):
        most = getattr(LIMITS, item.name)
        with pytest.raises(HetmigError, match=SETTINGS[item.name]):
            Caps(**{item.name: most + 1})
        assert getattr(Caps(**{item.name: most - 1}).message, item.name) == most - 1


@pytest.mark.parametrize("told", [None, [], {"frames": "x"}, {"frame": True}, {"nonsense": 1}])
def test_a_node_that_says_nothing_useful_of_its_caps(told: object) -> None:
    assert limits_of(told) == LIMITS
    assert limits_of({"frames": 10, "frame": 1 << 60}).frames == 10
    assert limits_of({"frames": 10, "frame": 1 << 60}).frame == LIMITS.frame


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("4096", 4096), ("512k", 512 << 10), ("2G", 2 << 30)]
)
def test_sizes(text: str, value: int) -> None:
    assert byte_count(text) == value


@pytest.mark.parametrize("text", ["", "G", "-1", "1.5G", "1 G", "1GB", "1X"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        byte_count(text)


def test_errors_of_caps_are_what_they_were() -> None:
    assert issubclass(MessageTooLarge, ProtocolError)
    assert issubclass(QuotaExceeded, HetmigError)
