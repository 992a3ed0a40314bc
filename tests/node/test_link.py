"""What a connection does after a failure that libzmq takes as final."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import zmq
import zmq.asyncio

from hetmig.errors import HetmigError, NodeUnreachable, Unauthorized
from hetmig.node import protocol, sockets
from hetmig.node.keys import Certificate, Identity
from hetmig.node.link import Link

SECONDS = 60
SERVER, CLIENT = Identity.generate(), Identity.generate()


class Door:
    """A node's door with nothing behind it but greetings, for the keys in `authorized`."""

    def __init__(self, context: zmq.asyncio.Context, authorized: set[bytes], listen: str) -> None:
        self.authorized = authorized
        self._gatekeeper = sockets.Gatekeeper(context)
        self._gatekeeper.admit("test", self.authorized.__contains__)
        door, self.endpoint = sockets.make_door(context, SERVER, "test", listen)
        self._transport = sockets.Transport(door, self._answer)

    async def close(self) -> None:
        await self._gatekeeper.close()
        self._transport.close()

    def _answer(self, received: list[zmq.Frame]) -> None:
        route, *frames = received
        hello = protocol.decode(frames)
        reply = protocol.encode(protocol.REPLY, {"re": hello.header["id"], "name": "a"})
        self._transport.send([route.bytes, *reply])


@contextlib.asynccontextmanager
async def opened(
    authorized: set[bytes], listen: str = "tcp://127.0.0.1:0"
) -> AsyncIterator[tuple[Door, zmq.asyncio.Context]]:
    context = zmq.asyncio.Context()
    door = Door(context, authorized, listen)
    try:
        yield door, context
    finally:
        await door.close()
        context.term()


def link_to(context: zmq.asyncio.Context, endpoint: str) -> Link:
    return Link(context, CLIENT, Certificate(SERVER.public, endpoint=endpoint))


async def broken(link: Link) -> None:
    """Wait until the connection has failed while nobody was asking anything."""
    async with asyncio.timeout(SECONDS):
        while not link.is_broken:
            await asyncio.sleep(0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_turned_away_before_the_first_request_is_told(host: str) -> None:
    async def go() -> None:
        async with opened(set()) as (door, context):
            link = link_to(context, door.endpoint.replace("127.0.0.1", host))
            await broken(link)
            for _ in range(3):
                with pytest.raises(Unauthorized, match="does not authorize our key"):
                    await link.hello({}, timeout=SECONDS)
            await link.close()

    asyncio.run(go())


def test_a_key_that_was_turned_away_is_let_in_once_it_is_known() -> None:
    async def go() -> None:
        async with opened(set()) as (door, context):
            link = link_to(context, door.endpoint)
            with pytest.raises(Unauthorized):
                await link.hello({}, timeout=SECONDS)
            door.authorized.add(CLIENT.public)
            await _heard(link)
            assert not link.is_broken
            await link.close()

    asyncio.run(go())


def test_a_node_that_comes_where_something_else_listened() -> None:
    async def go() -> None:
        async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100))
            with contextlib.suppress(OSError):
                await writer.drain()
            writer.close()

        other = await asyncio.start_server(chatter, "127.0.0.1", 0, family=socket.AF_INET)
        endpoint = f"tcp://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        client = zmq.asyncio.Context()
        link = link_to(client, endpoint)
        with pytest.raises(NodeUnreachable, match="is no hetmig node"):
            await link.hello({}, timeout=SECONDS)
        other.close()
        await other.wait_closed()
        async with opened({CLIENT.public}, endpoint):
            await _heard(link)
            await link.close()
        client.term()

    asyncio.run(go())


async def _heard(link: Link) -> None:
    """A request may still fail with the connection that has just ended; the next is sent anew."""
    async with asyncio.timeout(SECONDS):
        while link.name != "a":
            with contextlib.suppress(HetmigError):
                await link.hello({}, timeout=SECONDS)
