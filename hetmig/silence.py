"""Why a node does not answer, and what to do about it, in words."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from hetmig.node.keys import is_loopback

__all__ = ["nothing_at", "reason_of"]

_USUAL = "tcp://127.0.0.1:7717"
_CONNECT_SECONDS = 2.0


def nothing_at(address: str) -> str:
    """What to say if connections to an address are refused."""
    said = f"nothing listens at {address}"
    if not is_loopback(address):
        return f"{said}: start a node there, with that address as --listen or --advertise"
    option = "" if address == _USUAL else f" --listen {address}"
    return f"{said}; `hetmig node{option}` starts one"


async def reason_of(address: str) -> str:
    """A sentence about the silence of an address; empty if something listens there."""
    place = urlsplit(address)
    try:
        connecting = asyncio.open_connection(place.hostname, place.port)
        _, writer = await asyncio.wait_for(connecting, _CONNECT_SECONDS)
        writer.close()
    except ConnectionRefusedError:
        return nothing_at(address)
    except TimeoutError:
        return f"{address} can't be reached: is the machine up, and does a firewall let us through?"
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    return ""
