"""What strangers, and owners of keys, may try on a node; each says how it was turned away."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import zmq

from hetmig.client import Nodes
from hetmig.errors import HetmigError, NodeUnreachable, NotMigratable, Unauthorized
from hetmig.node import protocol
from hetmig.node.keys import Identity, Keyring
from hetmig.node.rights import NEEDED
from hetmig.state.manifest import make_manifest
from hetmig.state.parcel import open_sealed, seal
from tests.fuzz.mutation import with_other_values
from tests.node.apart import Apart, ask

Attack = Callable[[Apart, Keyring], None]
ATTACKS: list[Attack] = []
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
SECONDS = 30


def attack(function: Attack) -> Attack:
    ATTACKS.append(function)
    return function


# Without a key --------------------------------------------------------------------------------


def _is_turned_away(apart: Apart, prepare: Callable[[zmq.Socket[bytes]], None]) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        prepare(dealer)
        failed = (
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_DISCONNECTED
        )
        monitor = dealer.get_monitor_socket(failed)
        dealer.connect(apart.nodes["a"].endpoint)
        dealer.send_multipart([b"tasks", b'{"id": 1}'])
        assert monitor.poll(SECONDS * 1000), "the connection was not turned away"
        assert not dealer.poll(0)
        dealer.disable_monitor()
        monitor.close(linger=0)


@attack
def null_mechanism(apart: Apart, user: Keyring) -> None:
    _is_turned_away(apart, lambda dealer: None)


@attack
def plain_mechanism(apart: Apart, user: Keyring) -> None:
    def prepare(dealer: zmq.Socket[bytes]) -> None:
        dealer.plain_username, dealer.plain_password = b"root", b"root"

    _is_turned_away(apart, prepare)


@attack
def unknown_key(apart: Apart, user: Keyring) -> None:
    stranger = Identity.generate()

    def prepare(dealer: zmq.Socket[bytes]) -> None:
        dealer.curve_serverkey = apart.rings["a"].identity.public
        dealer.curve_publickey, dealer.curve_secretkey = stranger.public, stranger.secret

    _is_turned_away(apart, prepare)


@attack
def somebody_elses_public_key(apart: Apart, user: Keyring) -> None:
    """A public key that is authorised, without its secret."""

    def prepare(dealer: zmq.Socket[bytes]) -> None:
        dealer.curve_serverkey = apart.rings["a"].identity.public
        dealer.curve_publickey = user.identity.public
        dealer.curve_secretkey = Identity.generate().secret

    _is_turned_away(apart, prepare)


@attack
def wrong_server(apart: Apart, user: Keyring) -> None:
    key = Identity.generate().public
    _raises(NodeUnreachable, lambda: _connect(apart, user, key))


@attack
def stranger_as_client(apart: Apart, user: Keyring) -> None:
    stranger = Keyring(user.directory, Identity.generate())
    _raises(Unauthorized, lambda: _connect(apart, stranger, apart.rings["a"].identity.public))


def _connect(apart: Apart, ring: Keyring, key: bytes) -> None:
    Nodes(apart.nodes["a"].endpoint, ring, key, timeout=SECONDS).close()


def _raises(kind: type[BaseException], work: Callable[[], object]) -> BaseException:
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


# On the raw port ------------------------------------------------------------------------------


@contextlib.contextmanager
def tcp(apart: Apart) -> Iterator[socket.socket]:
    url = urlsplit(apart.nodes["a"].endpoint)
    with socket.create_connection((url.hostname, url.port), SECONDS) as connection:
        yield connection


def is_closed(connection: socket.socket) -> None:
    """Wait until the other side has closed it; raises TimeoutError if it does not."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(4096):
            pass


def _throw(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    except TimeoutError:
        raise
    except OSError:
        pass  # it has been closed already


@attack
def garbage_on_the_port(apart: Apart, user: Keyring) -> None:
    chance = random.Random(1)
    for garbage in (b"GET / HTTP/1.1\r\n\r\n" * 9, bytes(100), *map(chance.randbytes, [99] * 20)):
        with tcp(apart) as connection:
            _throw(connection, garbage)
            is_closed(connection)


@attack
def a_length_of_two_to_the_63_on_the_port(apart: Apart, user: Keyring) -> None:
    for flags in (0x02, 0x04, 0x06, 0x07, 0xFF):
        with tcp(apart) as connection:
            _throw(connection, GREETING + struct.pack("!BQ", flags, 1 << 63) + b"x" * 100)
            is_closed(connection)


@attack
def broken_handshakes(apart: Apart, user: Keyring) -> None:
    hello = b"\x05HELLO" + b"\x01\x00" + bytes(72 + 32 + 8 + 80)
    command = struct.pack("!BB", 0x04, len(hello)) + hello
    for data in (command, command[:50], command * 3, b"\x04\x06\x05READY", b"\x00\x01x"):
        with tcp(apart) as connection:
            _throw(connection, GREETING + data)
            is_closed(connection)


@attack
def many_that_come_and_go(apart: Apart, user: Keyring) -> None:
    for _ in range(200):
        with tcp(apart):
            pass


# With a key -----------------------------------------------------------------------------------


def _is_an_error(apart: Apart, user: Keyring, kind: str, header: object, *payload: bytes) -> None:
    """The node answers this with an error of ours, and then as ever."""
    with apart.raw(user, "a") as dealer:
        dealer.send_multipart([kind.encode(), json.dumps(header).encode(), *payload])
        about = {"id": 1 << 40, "protocol": protocol.VERSION, "role": "client"}
        *told, (last, _) = ask(dealer, protocol.HELLO, about, until=1 << 40)
        assert last == "reply"
        for answer, text in told:
            assert answer in ("error", "refused", "lost", "abort"), (kind, header, answer, text)
            assert answer != "error" or text["error"]["type"] in _TYPED, text
        assert told or kind in _SILENT, (kind, header)


_FOREIGN = re.compile(r"\w+(Error|Exception|Group): ")
"""How an error that is none of ours would be described."""
_TYPED = ("ProtocolError", "ForgedParcel", "TruncatedParcel", "UnsupportedFormat")
_SILENT = frozenset({"abort", "owned", "lost", "refused"})
"""A node does not answer these, when they are about nothing."""


@attack
def frames_in_every_number(apart: Apart, user: Keyring) -> None:
    with apart.raw(user, "a") as dealer:
        for frames in ([b""], [b"tasks"], [b""] * 2, [b"tasks", b"{}", *[b""] * 100_000]):
            dealer.send_multipart(frames)
            assert dealer.poll(SECONDS * 1000), f"no answer to {len(frames)} frames"
            kind, text = dealer.recv_multipart()
            assert kind == b"error"
            assert json.loads(text)["error"]["type"] in ("ProtocolError", "MessageTooLarge")


@attack
def heads_that_are_none(apart: Apart, user: Keyring) -> None:
    texts = (b"", b"[]", b"nul", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 200, b"9" * 5000)
    with apart.raw(user, "a") as dealer:
        for text in texts:
            dealer.send_multipart([b"tasks", text])
            assert dealer.poll(SECONDS * 1000), text[:20]
            kind, answer = dealer.recv_multipart()
            assert kind == b"error"
            assert json.loads(answer)["error"]["type"] in ("ProtocolError", "MessageTooLarge")


@attack
def fields_of_every_type(apart: Apart, user: Keyring) -> None:
    """Each kind with each of its fields as something else."""
    odd = [None, True, -1, 1 << 70, 1.5, "", "x" * 99, [], [[]], {}, {"name": 1}]
    names = ("task", "epoch", "home", "source", "to", "timeout", "node", "what", "sender", "after")
    with apart.raw(user, "a") as dealer:
        sent = 0
        for kind in sorted(NEEDED.keys() - {"shutdown", "drain", "authorize", "revoke"}):
            for index, value in enumerate(odd):
                header = {name: odd[(index + i) % len(odd)] for i, name in enumerate(names)}
                sent += 1
                whole = {**header, "id": sent, names[index % len(names)]: value}
                dealer.send_multipart([kind.encode(), json.dumps(whole).encode()])
        about = {"id": 1 << 40, "protocol": protocol.VERSION, "role": "client"}
        told = ask(dealer, protocol.HELLO, about, until=1 << 40)
    assert len(told) > sent // 2
    for _, text in told:
        error = text.get("error") or {}
        assert not _FOREIGN.match(error.get("message", "")), text


@attack
def parcels_that_are_none(apart: Apart, user: Keyring) -> None:
    about = {"id": "attack", "name": "attack"}
    good = [bytes(part) for part in seal(make_manifest("call", [], 1, about), [b"x"], bytes(32))]
    swapped = [good[0], good[2], good[1], good[3]]
    for wire in ([], [b""], [b"no parcel"], good, swapped, good[:-1], [*good, b""], good * 3):
        _is_an_error(apart, user, "submit", {"id": 1}, *wire)
        offer = {"id": 1, "task": os.urandom(6).hex(), "epoch": 1, "source": {}}
        _is_an_error(apart, user, "offer", offer, *wire)


@attack
def a_parcel_of_another_session(apart: Apart, user: Keyring) -> None:
    """What was sealed for one node is opened by no other."""
    sessions = {}
    for node in "ab":
        with apart.connect(user, node) as nodes:
            sessions[node] = bytes.fromhex(nodes._connection.link.peer["session"])
    assert sessions["a"] != sessions["b"]
    manifest = make_manifest("call", [], 1, {"id": "replayed", "name": "replayed"})
    wire = [bytes(part) for part in seal(manifest, [b"x"], sessions["b"])]
    assert open_sealed(wire, sessions["b"]).authenticated
    with apart.raw(user, "a") as dealer:
        told = ask(dealer, "submit", {"id": 1}, *wire, until=1)
    assert told[-1][1]["error"]["type"] == "ForgedParcel"


@attack
def bombs(apart: Apart, user: Keyring) -> None:
    """Signed by a key that may: they go off in a runner, and nowhere else."""
    memo = b"\x80\x04Nr\xff\xff\xff\x0f."
    nested = b"\x80\x04" + b"]" * 100_000 + b"." * 2
    kill = b"\x80\x04cos\nabort\n)R."
    forked = b"\x80\x04cos\n_exit\nK\x07\x85R."
    with apart.connect(user, "a") as nodes:
        for index, data in enumerate((memo, nested, kill, forked, b"", b"\xff" * 100)):
            name = f"bomb{index}{os.urandom(3).hex()}"
            about = {"id": name, "name": "bomb", "argv": None, "file": ""}
            manifest = make_manifest("call", [], 1, about)
            nodes._call(nodes._connection.submit(manifest, [data]))
            error = _raises(HetmigError, lambda name=name: nodes.task(name).result(SECONDS))
            assert isinstance(error, NotMigratable) or "while it unpickled" in str(error), error


@attack
def questions_without_end(apart: Apart, user: Keyring) -> None:
    """Who asks and never listens; the answers are dropped with the connection."""
    with apart.raw(user, "a") as dealer:
        for number in range(1000):
            dealer.send_multipart([b"nonsense", json.dumps({"id": number}).encode()])
        assert dealer.poll(SECONDS * 1000)


@attack
def only_an_observer(apart: Apart, user: Keyring) -> None:
    watcher = apart.user(f"watcher{os.urandom(3).hex()}", a="observe")
    for kind, needed in NEEDED.items():
        if "observe" not in needed:
            with apart.raw(watcher, "a") as dealer:
                header = {"id": 1, "task": "x", "epoch": 1}
                dealer.send_multipart([kind.encode(), json.dumps(header).encode()])
                assert dealer.poll(SECONDS * 1000), kind
                answer, text = dealer.recv_multipart()
                assert answer == b"error"
                assert json.loads(text)["error"]["type"] == "Unauthorized"


@attack
def requests_that_are_almost_right(apart: Apart, user: Keyring) -> None:
    """Each kind about an object that is there, with some values changed at random."""
    chance = random.Random(20)
    with apart.connect(user, "a") as nodes:
        ref = nodes.put("something")
        place = {"name": "b", "endpoint": "tcp://127.0.0.1:1", "key": "k" * 40}
        header = {
            "task": ref.id,
            "home": ref.home,
            "to": "nowhere",
            "timeout": 0.1,
            "epoch": 3,
            "source": place,
            "place": place,
            "what": "output",
            "n": 1,
            "stream": "stdout",
            "hop": {"epoch": 2},
            "progress": [1, 2, "x"],
            "modules": ["os"],
            "method": "m",
            "sender": "s",
            "low": 1,
            "got": [1],
            "seconds": 0.1,
            "base": 1,
            "after": 0,
            "version": -1,
            "owner": True,
            "node": "nowhere",
            "bytes": 10,
            "reason": "r",
            "protocol": protocol.VERSION,
            "role": "client",
            "name": "x",
            "ways": 1,
            "hops": 0,
            "ok": True,
            "traceback": "",
            "python": {},
            "error": None,
            "as": "k" * 40,
        }
        kinds = sorted(NEEDED.keys() - {"shutdown", "drain", "authorize", "revoke", "ack"})
        told = []
        with apart.raw(user, "a") as dealer:
            for number in range(1, 15 * len(kinds)):
                text = with_other_values(chance, json.dumps(header).encode())
                values = json.loads(text)
                whole = {**values, "id": number} if isinstance(values, dict) else values
                kind = kinds[number % len(kinds)]
                dealer.send_multipart([kind.encode(), json.dumps(whole).encode()])
            about = {"id": 1 << 40, "protocol": protocol.VERSION, "role": "client"}
            told += ask(dealer, protocol.HELLO, about, until=1 << 40)
        for _, text in told:
            error = text.get("error") or {}
            assert not _FOREIGN.match(error.get("message", "")), text
