"""Reports on their way to a home node that can't be reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import zmq.asyncio

from hetmig.errors import HetmigError, NodeUnreachable
from hetmig.node.directory import Directory
from hetmig.node.keys import Keyring
from tests.node.test_hosted import in_a_loop


def directory(context: zmq.asyncio.Context, keyring: Keyring) -> Directory:
    key = keyring.identity.public.decode()
    here = {"name": "here", "endpoint": "tcp://127.0.0.1:2", "key": key}
    return Directory(context, keyring, here, lambda message, link: None)


@in_a_loop
async def test_what_is_not_confirmed_is_known(tmp_path: Path) -> None:
    """A home node that asks after a task must not take it for lost while its end is on its way."""
    keyring, context = Keyring.create(tmp_path / "keys"), zmq.asyncio.Context()
    known = directory(context, keyring)
    home = {"name": "home", "endpoint": "tcp://127.0.0.1:1", "key": known.here["key"]}
    report: dict[str, Any] = {"task": "t", "what": "end", "n": 1}
    outbox = known.outbox(home)
    try:
        outbox.add("t/end/1", report, [])
        assert known.reported == {"t"}
        outbox.acknowledge("t/end/1")
        assert known.reported == set()
    finally:
        await known.close()
        context.destroy(linger=0)


@in_a_loop
async def test_a_node_of_our_own_name_is_told_so(tmp_path: Path) -> None:
    """Else it would not be known to us, nor we to it, and nobody would hear of that."""
    keyring, context = Keyring.create(tmp_path / "keys"), zmq.asyncio.Context()
    known = directory(context, keyring)
    try:
        known.meet(known.here)  # a node that greets itself, by another of its addresses
        with pytest.raises(HetmigError, match=r"called 'here' as well: give the one at .*:1 "):
            known.meet({**known.here, "endpoint": "tcp://127.0.0.1:1"})
    finally:
        context.destroy(linger=0)


@in_a_loop
async def test_two_nodes_of_one_name_are_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keyring, context = Keyring.create(tmp_path / "keys"), zmq.asyncio.Context()
    known = directory(context, keyring)
    other = {**known.here, "name": "other", "endpoint": "tcp://127.0.0.1:1"}
    try:
        known.meet(other)
        known.meet(other)
        assert caplog.text == ""
        known.meet({**other, "endpoint": "tcp://127.0.0.1:3"})
        assert "other is at tcp://127.0.0.1:3 now, it was at tcp://127.0.0.1:1" in caplog.text
    finally:
        context.destroy(linger=0)


@in_a_loop
async def test_a_name_that_nobody_knows_is_told_with_those_there_are(tmp_path: Path) -> None:
    keyring, context = Keyring.create(tmp_path / "keys"), zmq.asyncio.Context()
    known = directory(context, keyring)
    try:
        with pytest.raises(NodeUnreachable, match="named 'her' is known here; there is: here"):
            await known.reach("her", {})
    finally:
        context.destroy(linger=0)
