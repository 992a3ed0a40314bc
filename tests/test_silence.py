"""What is said of a node that does not answer."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

import hetmig
from hetmig import silence
from hetmig.errors import NodeUnreachable
from hetmig.node.keys import Keyring


def test_nothing_listens_there(tmp_path: Path) -> None:
    Keyring.create(tmp_path)
    with pytest.raises(
        NodeUnreachable, match=r"no answer from (\S+) .*; nothing listens at \1; `hetmig"
    ):
        hetmig.connect("tcp://127.0.0.1:1", keys=tmp_path, timeout=0.2)


def test_the_usual_address_needs_no_option() -> None:
    assert silence.nothing_at("tcp://127.0.0.1:7717").endswith("; `hetmig node` starts one")
    assert "--listen tcp://127.0.0.1:1`" in silence.nothing_at("tcp://127.0.0.1:1")
    assert "start a node there" in silence.nothing_at("tcp://192.0.2.1:7717")


def test_what_listens_is_not_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert asyncio.run(silence.reason_of(address)) == ""


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:7717", "is no address of a node: that is tcp://127.0.0.1:7717"),
        ("http://127.0.0.1", "is no address of a node: that is tcp://HOST:PORT"),
        ("arm-box", "no node named 'arm-box' is among our keys: say its address"),
        ("tcp://arm-box:7717", "no key is known for tcp://arm-box:7717: add it with"),
    ],
)
def test_an_address_that_is_none(tmp_path: Path, address: str, said: str) -> None:
    Keyring.create(tmp_path)
    with pytest.raises(hetmig.HetmigError, match=said):
        hetmig.connect(address, keys=tmp_path)
