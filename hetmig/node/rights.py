"""Who may do what: the rights of a key, and which of them each kind of message needs.

A right belongs to a key, and a message is judged by the key that its connection has proved,
whatever it claims.  A node (a key with `run`) hands requests on for its own clients and tasks: it
names in `as` for whom, and is believed in that alone; what that user may do is looked up here.

`submit` and `run` are rights to run code, and code may do whatever the node's account may do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import ProtocolError, Unauthorized
from hetmig.node import protocol
from hetmig.node.caller import ADMIN, ALL, OBSERVE, RUN, SUBMIT, Caller
from hetmig.node.handoff import Note
from hetmig.node.protocol import Buffer, Message, want

if TYPE_CHECKING:
    from hetmig.node.keys import Keyring

__all__ = [
    "NEEDED",
    "admit",
    "require_control",
    "require_node",
    "without_result",
]

_SMALLEST_FIRST = (OBSERVE, SUBMIT, RUN, ADMIN)
_OWN = frozenset({SUBMIT, ADMIN, RUN})
"""For a task of one's own; or anybody's; or as a node that asks for somebody else."""
_ABOUT_ONE = (
    protocol.MOVE,
    protocol.CANCEL,
    protocol.CHECKPOINT,
    protocol.REHOME,
    protocol.DIVIDE,
    protocol.OUTCOME,
    protocol.REPLICATE,
    protocol.TAKE_OVER,
    protocol.GET,
    protocol.CALL,
    protocol.ANSWERS,
    protocol.MOVE_OBJECT,
    protocol.DELETE,
    protocol.SEND,
    protocol.REPLIES,
)

NEEDED: dict[str, frozenset[str]] = {
    protocol.HELLO: ALL,
    protocol.SUBMIT: frozenset({SUBMIT}),
    protocol.IMPORTABLE: frozenset({SUBMIT}),
    protocol.FOLLOW: frozenset({SUBMIT, OBSERVE, ADMIN}),
    protocol.TASKS: frozenset({SUBMIT, OBSERVE, ADMIN}),
    protocol.NODES: frozenset({SUBMIT, OBSERVE, ADMIN}),
    protocol.STATUS: frozenset({RUN, OBSERVE, ADMIN}),
    **dict.fromkeys(_ABOUT_ONE, _OWN),
    protocol.WHERE: _OWN | {OBSERVE},
    protocol.FIND: _OWN | {OBSERVE},
    protocol.LOCATE: frozenset({RUN}),
    protocol.DRAIN: frozenset({ADMIN}),
    protocol.SHUTDOWN: frozenset({ADMIN}),
    protocol.AUTHORIZE: frozenset({ADMIN}),
    protocol.REVOKE: frozenset({ADMIN}),
    protocol.RESERVE: frozenset({RUN}),
    protocol.PRECOPY: frozenset({RUN}),
    protocol.STEAL: frozenset({RUN}),
    protocol.REPORT: frozenset({RUN}),
    protocol.ACK: frozenset({RUN}),
    protocol.FENCE: frozenset({RUN}),
    protocol.RECORD: frozenset({RUN}),
    protocol.REHOMED: frozenset({RUN}),
    protocol.HOME: ALL,
    protocol.FILE: frozenset({RUN}),
    protocol.READ_INPUT: frozenset({RUN}),
    protocol.INPUT: frozenset({SUBMIT, ADMIN}),
    protocol.REPLICA: frozenset({RUN}),
    **{note.value: frozenset({RUN}) for note in Note},
}
"""For each kind of message that a node takes, the rights of which its sender needs one."""

_FORWARDED = frozenset(
    {
        *_ABOUT_ONE,
        protocol.WHERE,
        protocol.FIND,
        protocol.DRAIN,
        protocol.FILE,
        protocol.READ_INPUT,
    }
)
"""What a node may bring for somebody else."""
_SEEING = frozenset({protocol.WHERE, protocol.FOLLOW})


def admit(message: Message, keyring: Keyring) -> None:
    """Find out who asks, and whether that key may send such a message at all.

    Raises Unauthorized, or ProtocolError for a kind that nobody may send.
    """
    kind, needed = message.kind, NEEDED.get(message.kind)
    if needed is None:
        raise ProtocolError(f"this node does not understand {kind[:32]!r}")
    key, rights = message.user.decode("ascii", "replace"), keyring.rights(message.user)
    if not rights:
        raise Unauthorized("your key is no longer authorized here", missing="all", key=key)
    caller = Caller(key, rights, key if RUN in rights else None)
    if caller.peer and kind in _FORWARDED and "as" in message.header:
        user = want(message.header, "as", str)
        caller = Caller(user, keyring.rights(user.encode("ascii", "replace")), key)
        if RUN in needed:  # what that user may do, the node has seen; whose task it is, we see
            message.caller = caller
            return
    if not needed & caller.rights:
        raise _missing(f"{kind!r} needs", needed, caller)
    message.caller = caller


def require_control(kind: str, caller: Caller, about: Mapping[str, Any]) -> None:
    """Raise Unauthorized unless the caller may do this with this very task."""
    seen = kind in _SEEING
    if caller.may_see(about) if seen else caller.may_control(about):
        return
    what = f"this {about.get('what', 'task')} is another user's, so {kind!r} needs"
    raise _missing(what, frozenset({ADMIN, OBSERVE} if seen else {ADMIN}), caller)


def require_node(caller: Caller) -> None:
    """Raise Unauthorized unless the caller may be a node to us."""
    if RUN not in caller.rights:
        raise _missing("to be a node among these needs", frozenset({RUN}), caller)


def without_result(
    told: dict[str, Any], payload: Sequence[Buffer]
) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """News of a task for one who may observe it only: how it ended, and not with what."""
    if told["outcome"] is None:
        return told, payload
    error = Unauthorized(
        "the task has ended; its result is for the key that submitted it, and for those with the "
        f"right {ADMIN!r}",
        missing=ADMIN,
    )
    outcome = {**told["outcome"], "error": protocol.describe_error(error)}
    return {**told, "outcome": outcome}, payload[: len(told["pieces"])]


def _missing(what: str, needed: frozenset[str], caller: Caller) -> Unauthorized:
    """An error that says how to do better; the first of the rights named is the smallest."""
    rights = [right for right in _SMALLEST_FIRST if right in needed]
    listed = " or ".join(repr(right) for right in rights)
    have = [right for right in _SMALLEST_FIRST if right in caller.rights]
    remedy = f"hetmig keys authorize --rights {','.join([*have, rights[0]])} -- '{caller.key}'"
    return Unauthorized(
        f"{what} the right {listed}, and your key has {','.join(have) or 'none'} here; "
        f"whoever keeps the node's keys can give it: {remedy}",
        missing=rights[0],
        key=caller.key,
    )
