"""A node under attack: every attempt is turned away, and an honest task does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zmq
import zmq.asyncio

from hetmig.client import Task
from hetmig.node import sockets
from hetmig.node.keys import Identity, Keyring
from tests.node import attacks, programs
from tests.node.apart import Apart

TIMEOUT = 60
CAPS = {"memory_per_task": 512 << 20}
NODE_BYTES = 400 << 20
"""A node takes far less; what it must never take is what it is told to."""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    nodes = Apart(tmp_path_factory.mktemp("keys"), "ab", CAPS)
    yield nodes
    nodes.stop()


@pytest.fixture(scope="module")
def user(apart: Apart) -> Keyring:
    return apart.user("user", a="all", b="all")


def resident(pid: int) -> int:
    """Bytes of memory the process has; 0 where that can't be told."""
    if not sys.platform.startswith("linux"):
        return 0
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_an_honest_task_does_not_notice(
    apart: Apart, user: Keyring, tmp_path: Path, wait_for: Callable[[Task, str], str]
) -> None:
    stop = tmp_path / "stop"
    with contextlib.ExitStack() as held, apart.connect(user, "a") as nodes:
        # They never finish their greeting.
        slow = [held.enter_context(attacks.tcp(apart)) for _ in range(50)]
        honest = nodes.submit(programs.count_until, str(stop))
        wait_for(honest, "counting")
        for number, attack in enumerate(attacks.ATTACKS):
            attack(apart, user)
            for connection in slow:
                _drip(connection, attacks.GREETING[number : number + 1])
            assert apart.nodes["a"]._process.poll() is None, attack.__name__
            assert resident(apart.nodes["a"].pid) < NODE_BYTES, attack.__name__
            _moves(honest, "b" if number % 2 == 0 else "a")
        stop.write_text("")
        count, total = honest.result(TIMEOUT)
        assert total == count * (count - 1) // 2
        assert len(honest.journey()) == len(attacks.ATTACKS)


def _drip(connection: socket.socket, byte: bytes) -> None:
    try:
        connection.send(byte)
    except OSError:
        pass  # it has been closed in the middle of the greeting


def _moves(task: Task, to: str) -> None:
    assert task.migrate(to, timeout=30).destination == to


def test_the_list_is_long() -> None:
    assert len(attacks.ATTACKS) >= 18


# The gatekeeper -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["closed", "stuck"])
def test_without_its_gatekeeper_nobody_gets_in(how: str) -> None:
    """Not even a key that is authorised."""

    async def run() -> None:
        context = zmq.asyncio.Context()
        server, client = Identity.generate(), Identity.generate()
        gatekeeper = sockets.Gatekeeper(context)
        gatekeeper.admit("here", lambda key: True)
        door, endpoint = sockets.make_door(context, server, "here", "tcp://127.0.0.1:0")
        link = sockets.make_link(context, client, server.public, endpoint)
        await link.send(b"let in")
        assert (await door.recv_multipart())[1] == b"let in"
        if how == "closed":
            await gatekeeper.close()
        else:
            gatekeeper._task.cancel()
        other = sockets.make_link(context, client, server.public, endpoint)
        await other.send(b"not let in")
        await link.send(b"still there")  # who was in before stays: its session is authenticated
        assert (await door.recv_multipart())[1] == b"still there"
        assert not await door.poll(300)
        for used in (link, other, door):
            used.close(linger=0)
        if how == "stuck":
            await gatekeeper.close()
        context.destroy(linger=0)

    asyncio.run(run())


@pytest.mark.parametrize("begun", [b"", b"\xff", attacks.GREETING, attacks.GREETING + b"\x04"])
def test_who_does_not_finish_the_handshake_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(sockets, "HANDSHAKE", 100)
    with zmq.Context() as context:
        identity = Identity.generate()
        door, endpoint = sockets.make_door(context, identity, "here", "tcp://127.0.0.1:0")  # type: ignore[arg-type]
        url = urlsplit(endpoint)
        with socket.create_connection((url.hostname, url.port), 30) as connection:
            connection.sendall(begun)
            attacks.is_closed(connection)
        door.close(linger=0)
