"""What an admin asks of a node: to give and withdraw keys, and to end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hetmig.node import protocol
from hetmig.node.caller import parse_rights
from hetmig.node.protocol import Buffer, Message, want

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["HANDLERS", "end_soon"]

Reply = tuple[dict[str, Any], Sequence[Buffer]]

_log = logging.getLogger("hetmig")
_LAST_WORD_SECONDS = 0.2
"""For the answer to go out before the node begins to end."""


async def _authorize(node: Node, message: Message) -> Reply:
    name = want(message.header, "name", str)
    rights = parse_rights(want(message.header, "rights", str))
    key = want(message.header, "public", str)
    node.keyring.add(key, name, want(message.header, "endpoint", str, ""), rights)
    _log.info("%s gave %s the rights %s", message.caller.key, name, ",".join(sorted(rights)))
    return {"node": node.here["name"]}, ()


async def _revoke(node: Node, message: Message) -> Reply:
    name = want(message.header, "name", str)
    node.keyring.remove(name)
    _log.info("%s withdrew the key of %s", message.caller.key, name)
    return {"node": node.here["name"]}, ()


async def _shutdown(node: Node, message: Message) -> Reply:
    _log.info("%s ends this node", message.caller.key)
    end_soon()
    return {"node": node.here["name"]}, ()


def end_soon() -> None:
    """Send SIGTERM to this process, in a moment."""
    loop = asyncio.get_running_loop()
    loop.call_later(_LAST_WORD_SECONDS, signal.raise_signal, signal.SIGTERM)


HANDLERS = {
    protocol.AUTHORIZE: _authorize,
    protocol.REVOKE: _revoke,
    protocol.SHUTDOWN: _shutdown,
}
"""By the kind of a request, what answers it."""
