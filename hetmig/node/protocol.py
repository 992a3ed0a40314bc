"""What nodes, clients and runners say to each other: one message shape, checked before use.

A message is `[kind, header, *payload]`: the kind as ASCII, the header as a JSON object, the
payload as opaque frames that nobody but a runner or a client ever unpickles.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import zmq

from hetmig import errors
from hetmig.errors import (
    FrameAddress,
    HetmigError,
    MessageTooLarge,
    NotMigratable,
    ProtocolError,
)
from hetmig.node.caller import Caller
from hetmig.state.json_text import DEPTH, read_json

__all__ = ["Buffer", "Limits", "Message", "decode", "describe_error", "encode", "rebuild_error"]

Buffer: TypeAlias = bytes | bytearray | memoryview

VERSION = 1
"""Both sides must speak the same protocol; HELLO and WELCOME compare it."""

# Between a client or node, and a node ----------------------------------------------------------
HELLO = "hello"
"""First word on a connection: who I am.  Answered with the node's name and a session key."""
SUBMIT = "submit"
FOLLOW = "follow"
"""A long poll: answer when the task has more output, progress, hops or an outcome."""
TASKS = "tasks"
NODES = "nodes"
STATUS = "status"
IMPORTABLE = "importable"
MOVE = "move"
CANCEL = "cancel"
CHECKPOINT = "checkpoint"
"""Keep a copy of a task; from a runner: as soon as its task can be captured."""
DIVIDE = "divide"
"""Divide a loop of a task; to a runner: the next one that can be."""
OUTCOME = "outcome"
"""A long poll: what became of a part of a loop."""
DRAIN = "drain"
SHUTDOWN = "shutdown"
AUTHORIZE = "authorize"
"""Give a key rights here, as `hetmig keys authorize` does on the node's own machine."""
REVOKE = "revoke"
REPLY = "reply"
ERROR = "error"
RESERVE = "reserve"
"""Before a freeze: is this destination able to take the task, and has it a runner ready?"""
PRECOPY = "precopy"
"""From node to node, after RESERVE: code that the task will need there; answered when it is ready.
To a runner: the same, for the task that it is set aside for."""
STEAL = "steal"
"""A node with nothing to do asks another for a task; which one is for that node's policy to say."""
REPORT = "report"
"""A node tells the home node what a task did; repeated until acknowledged."""
ACK = "ack"
FENCE = "fence"
"""The home node tells a node that its copy of a task is void."""

REHOME = "rehome"
"""Let the record of a task move to another node."""
RECORD = "record"
"""A note of the hand-over of a record between two nodes; answered by the other side's."""
REHOMED = "rehomed"
"""A node tells another that it is the home of a task now; as a note: that a third one is."""
HOME = "home"
"""Where the home of a task is, for all that the asked node knows."""
INPUT = "input"
"""A submitter tells its task a piece of its standard input, which was asked for by FOLLOW."""
READ_INPUT = "read-input"
"""A long poll, from a task and from its node to its home: the next piece of that."""

REPLICATE = "replicate"
"""Have a warm copy of a task at another node, or none."""
REPLICA = "replica"
"""A copy of a task for the node of its replica; without one, a question about what is there."""
TAKE_OVER = "take-over"
"""The home of a task lets its replica go on with it; from a client: a person says so, as the home
is lost with the task's node."""

# About an object or an actor, wherever it is
GET = "get"
CALL = "call"
"""A call for an actor, repeated until it is accepted; from a node to a runner: execute it."""
ANSWERS = "answers"
"""A long poll: what came of a sender's calls."""
WHERE = "where"
MOVE_OBJECT = "move-object"
DELETE = "delete"

# Messages to a task, wherever it is
SEND = "send"
"""A message, repeated until the task's mailbox has accepted it."""
REPLIES = "replies"
"""A long poll: which of a sender's messages were received, and the replies to its requests."""
FIND = "find"
"""Which living task has this name?"""
LOCATE = "locate"
"""From node to node: do you have this task?"""
# About a file that a task has left open at a node
FILE = "file"
"""Read, write and so on; from a runner to its node, and from that to the node which has it open."""
FILED = "filed"
"""To a runner: what came of it."""

# Between a node and its runners -----------------------------------------------------------------
READY = "ready"
STAGE = "stage"
STAGED = "staged"
START = "start"
REFUSED = "refused"
PRECOPIED = "precopied"
"""What was sent ahead is ready, as far as it can be."""
PREPARE = "prepare"
"""The task is about to move: which code does it stand in?  It runs on."""
PREPARED = "prepared"
FREEZE = "freeze"
FREEZING = "freezing"
FROZEN = "frozen"
DECLINED = "declined"
SNAPSHOT = "snapshot"
"""A copy of the task, which goes on at once."""
SAVED = "saved"
"""The copy which the task itself has sent is kept now, or why it is not."""
GO_ON = "go-on"
GONE = "gone"
OUTPUT = "output"
PROGRESS = "progress"
DONE = "done"
ANSWER = "answer"
"""What came of the call that the runner has executed; or a task's reply to a request."""
RECEIVE = "receive"
"""Asked by a task of its node, with ASK: the messages that have come for it."""
TAKEN = "taken"
"""How many messages the task's program has received, ever."""
DIVIDED = "divided"
"""Into how many parts, or why not."""
PLACES = "places"
"""Of a task: where is there room?"""
ASK = "ask"
"""A request of the task's, which the node carries out; answered by REPLY."""
BYE = "bye"
PONG = "pong"
"""A runner is alive: the answer to a line of its control line."""


@dataclass(frozen=True)
class Limits:
    """Caps on what one message may hold."""

    frames: int = 4096
    """Frames, in number."""
    header: int = 16 << 20
    """Bytes of the header's JSON text."""
    frame: int = 1 << 30
    """Bytes of one frame."""
    total: int = 2 << 30
    """Bytes of all frames together."""
    depth: int = DEPTH
    """Arrays and objects within each other in the header."""


LIMITS = Limits()
_CAPS = tuple(item.name for item in fields(Limits))
_PLAIN = (str, int, type(None))
_LONGEST_KIND = 32
_NOBODY = Caller()
_TEXT = 1 << 16
"""Characters of an error's message that are handed on; it may quote what a program made."""


@dataclass
class Message:
    """One decoded message.  `user` is the sender's authenticated public key (Z85)."""

    kind: str
    header: dict[str, Any]
    payload: list[Buffer] = field(default_factory=list)
    user: bytes = b""
    route: bytes = b""
    caller: Caller = _NOBODY
    """Who asks, and with which rights; a node finds it out before anything else."""


def limits_of(described: Any) -> Limits:
    """The caps that another node has told, as far as they are lower than our own."""
    told = described if isinstance(described, dict) else {}
    lower = {name: told[name] for name in _CAPS if type(told.get(name)) is int}
    return Limits(**{name: min(value, getattr(LIMITS, name)) for name, value in lower.items()})


def encode(
    kind: str, header: dict[str, Any], payload: Sequence[Buffer] = (), limits: Limits = LIMITS
) -> list[Buffer]:
    """The frames of a message.  Raises ProtocolError for one that no receiver would take."""
    head = json.dumps(header).encode() if header else b"{}"
    frames: list[Buffer] = [kind.encode("ascii"), head, *payload]
    check_limits([len(kind), len(head), *map(nbytes, payload)], limits)
    return frames


def nbytes(frame: Buffer) -> int:
    """The size of a frame."""
    return frame.nbytes if isinstance(frame, memoryview) else len(frame)


def check_limits(sizes: Sequence[int], limits: Limits = LIMITS) -> None:
    """Whether frames of these sizes (bytes) may be a message.

    Raises ProtocolError, or MessageTooLarge with the cap, the value and the node's setting.
    """
    if len(sizes) < 2:
        raise ProtocolError(f"a message of {len(sizes)} frames: it has a kind and a header")
    kind, header, *payload = sizes
    total = sum(sizes)
    if (
        kind <= _LONGEST_KIND
        and header <= limits.header
        and total <= min(limits.frame, limits.total)
        and len(sizes) <= limits.frames
    ):
        return  # as nearly all are
    if kind > _LONGEST_KIND:
        raise ProtocolError(f"the head of the message is too large ({kind} bytes of kind)")
    for what, value, name in (
        ("frames", len(sizes), "frames"),
        ("bytes in the head", header, "header"),
        ("bytes in one frame", max(payload, default=0), "frame"),
        ("bytes", total, "total"),
    ):
        cap = getattr(limits, name)
        if value > cap:
            setting = f"--max-{name}"
            raise MessageTooLarge(
                f"a message of {value} {what}; {cap} are allowed by the receiver's {setting}",
                cap=cap,
                value=value,
                setting=setting,
            )


def decode(frames: Sequence[zmq.Frame], limits: Limits = LIMITS) -> Message:
    """A message from the frames of a socket, payload uncopied.  Raises ProtocolError."""
    check_limits([len(frame) for frame in frames], limits)
    try:
        kind = frames[0].bytes.decode("ascii")
        header = read_json(frames[1].bytes, limits.depth, MessageTooLarge, "--max-depth")
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the head of the message is not readable: {error}") from None
    if not isinstance(header, dict):
        raise ProtocolError("the header is no JSON object")
    return Message(kind, header, [frame.buffer for frame in frames[2:]])


def want(header: dict[str, Any], name: str, kind: type[Any], default: Any = ...) -> Any:
    """The header's value for `name`, checked to be of this type.  Raises ProtocolError."""
    value = header.get(name, default)
    if value is ...:
        raise ProtocolError(f"the header lacks {name!r}")
    if value is default or type(value) is kind or (kind is float and type(value) is int):
        if value != value:  # a clock that waits until NaN never looks up again
            raise ProtocolError(f"{name!r} in the header is not a number")
        return value
    raise ProtocolError(f"{name!r} in the header is a {type(value).__name__}")


def place_of(said: dict[str, Any]) -> dict[str, Any]:
    """The place in what a node says of itself, or others of it.  Raises ProtocolError."""
    return {item: want(said, item, str) for item in ("name", "endpoint", "key")}


def describe_error(error: BaseException) -> dict[str, Any]:
    """An error as JSON, so that a node can hand it on without unpickling anything."""
    if not isinstance(error, HetmigError):
        message = f"{type(error).__name__}: {error}"[:_TEXT]
        return {"type": "HetmigError", "message": message}
    described: dict[str, Any] = {"type": type(error).__name__, "message": error.message[:_TEXT]}
    described["data"] = {key: v for key, v in error.data.items() if type(v) in _PLAIN}
    if isinstance(error, NotMigratable):
        frame = list(error.frame) if error.frame else None
        described.update(reason=error.reason[:_TEXT], frame=frame, variable=error.variable)
    return described


def rebuild_error(described: Any) -> HetmigError:
    """The error that `describe_error` described; anything unknown becomes a HetmigError."""
    if not isinstance(described, dict):
        return HetmigError(f"an error without description: {described!r}"[:_TEXT])
    cls = getattr(errors, str(described.get("type")), HetmigError)
    if not (isinstance(cls, type) and issubclass(cls, HetmigError)):
        cls = HetmigError
    data = described.get("data")
    plain = {str(key): value for key, value in data.items()} if isinstance(data, dict) else {}
    for name in ("self", "message", "reason", "frame", "variable"):
        plain.pop(name, None)
    if issubclass(cls, NotMigratable):
        frame = described.get("frame")
        address = FrameAddress(*frame) if isinstance(frame, list) and len(frame) == 3 else None
        reason = str(described.get("reason", described.get("message")))
        return cls(reason, frame=address, variable=described.get("variable"), **plain)
    return cls(str(described.get("message")), **plain)
