"""Who gets in, and what happens to those who send nonsense."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zmq

from hetmig.client import connect
from hetmig.errors import HetmigError, NodeUnreachable, Unauthorized
from hetmig.node import sockets
from hetmig.node.embedded import LocalNodes
from hetmig.node.keys import Identity, Keyring
from hetmig.node.serve import Settings, serve
from tests.node import programs

TIMEOUT = 60


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalNodes]:
    with LocalNodes(1) as nodes:
        yield nodes


@pytest.fixture
def stranger(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "stranger")


def honest(cluster: LocalNodes) -> None:
    """The node still works."""
    with connect(cluster[0], keys=cluster.keys, echo=False) as nodes:
        assert nodes.submit(programs.add, 1).result(TIMEOUT) == 2


def test_an_unknown_key_is_rejected(cluster: LocalNodes, stranger: Keyring) -> None:
    server = Keyring.open(cluster.keys).identity.public
    with pytest.raises(Unauthorized, match="does not authorize our key"):
        connect(cluster[0], keys=stranger, server_key=server)
    honest(cluster)


def test_a_key_added_to_a_running_node_is_accepted(cluster: LocalNodes, stranger: Keyring) -> None:
    ours = Keyring.open(cluster.keys)
    ours.add(stranger.identity.public, "friend")
    with connect(cluster[0], keys=stranger, server_key=ours.identity.public) as nodes:
        assert nodes.name == "a"
    ours.remove("friend")
    with pytest.raises(Unauthorized):
        connect(cluster[0], keys=stranger, server_key=ours.identity.public)


def test_a_key_removed_while_connected_is_turned_away(
    cluster: LocalNodes, stranger: Keyring
) -> None:
    ours = Keyring.open(cluster.keys)
    ours.add(stranger.identity.public, "friend")
    with connect(cluster[0], keys=stranger, server_key=ours.identity.public) as nodes:
        assert nodes.tasks() is not None
        ours.remove("friend")
        with pytest.raises(Unauthorized):
            nodes.tasks()
    honest(cluster)


def test_the_wrong_server_key_is_rejected(cluster: LocalNodes) -> None:
    wrong = Identity.generate().public
    with pytest.raises(NodeUnreachable, match="did not prove"):
        connect(cluster[0], keys=cluster.keys, server_key=wrong)
    honest(cluster)


def test_without_a_key_nothing_is_answered(cluster: LocalNodes) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        monitor = dealer.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )
        dealer.connect(cluster.endpoints[0])
        dealer.send_multipart([b"tasks", b'{"id": 1}'])
        assert monitor.poll(10_000), "the connection was not turned away"
        assert not dealer.poll(0)
        dealer.disable_monitor()
        monitor.close(linger=0)
    honest(cluster)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00" * 64,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" + b"\x00" * 8 + b"\x7f",
        bytes(range(256)),
    ],
    ids=["nothing", "zeros", "http", "half a greeting", "noise"],
)
def test_garbage_on_the_port_hurts_nobody(cluster: LocalNodes, garbage: bytes) -> None:
    url = urlsplit(cluster.endpoints[0])
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(garbage)
    honest(cluster)


@pytest.mark.parametrize(
    "frames",
    [
        [b"tasks"],
        [b"tasks", b"no json"],
        [b"tasks", b"[]"],
        [b"\xff\xfe", b"{}"],
        [b"unheard-of", b'{"id": 1}'],
        [b"tasks", b"[" * 100_000],
        [b"submit", b'{"id": 1}', b"no parcel"],
        [b"submit", b'{"id": 1}'],
        [b"follow", b'{"id": 1, "task": 7}'],
        [b"move", b'{"id": 1, "task": "x", "to": "y", "timeout": "soon"}'],
        [b"offer", b'{"task": "x", "epoch": "y"}'],
        [b"offer", b'{"task": "x", "epoch": 3}', b"no parcel"],
        [b"commit", b'{"task": "x", "epoch": 3}'],
        [b"report", b'{"what": "end"}'],
        [b"tasks", b"{}", *[b""] * 5000],
    ],
    ids=lambda frames: " ".join(frame.decode("ascii", "replace")[:20] for frame in frames[:2]),
)
def test_nonsense_from_an_authorized_key_gets_an_error(
    cluster: LocalNodes, frames: list[bytes]
) -> None:
    keyring = Keyring.open(cluster.keys)
    with zmq.Context() as context:
        endpoint = cluster.endpoints[0]
        with sockets.make_link(
            context, keyring.identity, keyring.identity.public, endpoint
        ) as dealer:
            dealer.linger = 0
            dealer.send_multipart(frames)
            assert dealer.poll(20_000), "no answer"
            kind, *_ = dealer.recv_multipart()
            assert kind in (b"error", b"refused", b"lost")
    honest(cluster)


def test_beyond_loopback_keys_must_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(HetmigError, match="--keys"):
        serve(Settings(listen="tcp://0.0.0.0:0"))
