"""Key directories: made once, readable by nobody else, followed while they change."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
import zmq.auth

from hetmig.errors import HetmigError, NodeUnreachable
from hetmig.node.keys import (
    Identity,
    Keyring,
    check_endpoint,
    default_directory,
    endpoint_for_others,
    is_loopback,
    read_certificate,
)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "keys")


def test_the_secret_is_for_its_owner_only(keyring: Keyring) -> None:
    secret = keyring.directory / "self.key_secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert keyring.identity.secret.decode() not in (keyring.directory / "self.key").read_text()
    assert keyring.identity.secret.decode() not in repr(keyring.identity)


def test_the_files_are_certificates_as_zeromq_writes_them(keyring: Keyring) -> None:
    public, secret = zmq.auth.load_certificate(str(keyring.directory / "self.key_secret"))
    assert (public, secret) == (keyring.identity.public, keyring.identity.secret)


def test_opened_again_it_is_the_same_identity(keyring: Keyring) -> None:
    assert Keyring.open(keyring.directory).identity == keyring.identity
    assert Keyring.create(keyring.directory).identity == keyring.identity


def test_the_users_own_directory_is_made_at_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = Keyring.open()
    assert made.directory == default_directory() == tmp_path / "hetmig" / "keys"
    assert Keyring.open().identity == made.identity


def test_a_named_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(HetmigError, match="hetmig keys init"):
        Keyring.open(tmp_path / "nothing")


def test_authorising_and_withdrawing(keyring: Keyring) -> None:
    friend = Identity.generate().public
    assert keyring.is_authorized(keyring.identity.public)
    assert not keyring.is_authorized(friend)
    file = keyring.add(friend, "friend", "tcp://10.0.0.2:7717")
    assert keyring.is_authorized(friend)
    assert read_certificate(file).endpoint == "tcp://10.0.0.2:7717"
    keyring.remove("friend")
    assert not keyring.is_authorized(friend)
    with pytest.raises(HetmigError, match="no key named"):
        keyring.remove("friend")


def test_a_file_that_is_edited_in_place_counts_soon(keyring: Keyring) -> None:
    """Its directory looks the same; what is added or removed is seen with the next message."""
    friend = Identity.generate().public
    file = keyring.add(friend, "friend", rights=frozenset({"observe"}))
    assert keyring.rights(friend) == {"observe"}
    file.write_text(file.read_text().replace("observe", "submit"))
    deadline = time.monotonic() + 60
    while keyring.rights(friend) != {"submit"}:
        assert time.monotonic() < deadline
    for number in range(50):  # as quickly as the file system's clock may not tell apart
        keyring.add(friend, f"friend{number}")
        assert len(keyring.entries()) == 3
        keyring.remove(f"friend{number}")
        assert len(keyring.entries()) == 2


def test_a_node_is_found_by_name_and_by_endpoint(keyring: Keyring) -> None:
    friend = Identity.generate().public
    keyring.add(friend, "friend", "tcp://10.0.0.2:7717")
    assert keyring.find("friend").endpoint == "tcp://10.0.0.2:7717"
    assert keyring.find("tcp://10.0.0.2:7717").public == friend
    assert keyring.find("tcp://127.0.0.1:9").public == keyring.identity.public
    with pytest.raises(NodeUnreachable, match="hetmig keys add"):
        keyring.find("tcp://10.0.0.3:7717")


def test_what_is_exported_can_be_added(keyring: Keyring, tmp_path: Path) -> None:
    file = tmp_path / "exported.key"
    file.write_text(keyring.export("box", "tcp://box:7717"))
    certificate = read_certificate(file)
    assert (certificate.public, certificate.name) == (keyring.identity.public, "box")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65, 'quo"te'])
def test_names_stay_within_the_directory(keyring: Keyring, name: str) -> None:
    with pytest.raises(HetmigError, match="no name for a key"):
        keyring.add(keyring.identity.public, name)


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 39, b"~" * 40, "ö" * 40])
def test_what_is_no_key(keyring: Keyring, key: bytes | str) -> None:
    with pytest.raises(HetmigError, match="no CURVE key"):
        keyring.add(key, "somebody")


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("tcp://127.0.0.1:7717", True),
        ("tcp://127.8.8.8:1", True),
        ("tcp://localhost:7717", True),
        ("tcp://[::1]:7717", True),
        ("tcp://0.0.0.0:7717", False),
        ("tcp://*:7717", False),
        ("tcp://192.168.0.4:7717", False),
        ("tcp://127.evil.example:7717", False),
    ],
)
def test_loopback(endpoint: str, expected: bool) -> None:
    assert is_loopback(endpoint) is expected


@pytest.mark.parametrize(
    "text", ["", "box", "tcp://box", "http://box:1", "tcp://box:70000", "tcp://a b:1", "tcp://:1"]
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(HetmigError, match="no address of a node"):
        check_endpoint(text)


@pytest.mark.parametrize(
    "text", ["tcp://box:7717", "tcp://*:*", "tcp://[::1]:0", "tcp://1.2.3.4:5"]
)
def test_what_is_an_endpoint(text: str) -> None:
    assert check_endpoint(text) == text


def test_others_are_not_told_to_connect_to_all_addresses() -> None:
    told = endpoint_for_others("tcp://0.0.0.0:7717")
    assert told.endswith(":7717")
    assert "0.0.0.0" not in told
    assert endpoint_for_others("tcp://10.0.0.2:7717") == "tcp://10.0.0.2:7717"
