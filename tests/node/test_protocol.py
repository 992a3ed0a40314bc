"""Messages: whatever comes in is either a message or a ProtocolError."""

from __future__ import annotations

import json

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from hetmig.errors import (
    FrameAddress,
    HetmigError,
    MigrationRefused,
    ProtocolError,
    SourceChanged,
    TaskLost,
)
from hetmig.node.protocol import (
    Limits,
    check_limits,
    decode,
    describe_error,
    encode,
    rebuild_error,
    want,
)


def frames(*data: bytes) -> list[zmq.Frame]:
    return [zmq.Frame(item) for item in data]


def test_there_and_back() -> None:
    sent = encode("submit", {"id": 1, "name": "ü"}, [b"payload", bytearray(b"more")])
    message = decode(frames(*map(bytes, sent)))
    assert (message.kind, message.header) == ("submit", {"id": 1, "name": "ü"})
    assert [bytes(item) for item in message.payload] == [b"payload", b"more"]


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_anything_else_is_a_protocol_error(data: list[bytes]) -> None:
    try:
        message = decode(frames(*data))
    except ProtocolError:
        return
    assert json.loads(data[1]) == message.header


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(frames=2), "frames"),
        (Limits(header=5), "head"),
        (Limits(total=50), "bytes"),
    ],
)
def test_caps(limits: Limits, what: str) -> None:
    with pytest.raises(ProtocolError, match=what):
        decode(frames(b"submit", b'{"id": 1}', b"x" * 50), limits)


@pytest.mark.parametrize(
    ("header", "payload", "what"),
    [
        ({}, [b""] * 5000, "frames"),
        ({"text": "x" * (16 << 20)}, [], "head"),
        ({}, [memoryview(bytes(1)).cast("B")] * 2, ""),
    ],
    ids=["frames", "header", "fits"],
)
def test_nobody_sends_what_nobody_takes(
    header: dict[str, object], payload: list[memoryview], what: str
) -> None:
    """The receiver could only drop it, and the sender would wait for ever."""
    if not what:
        assert len(encode("frozen", header, payload)) == 2 + len(payload)
        return
    with pytest.raises(ProtocolError, match=what):
        encode("frozen", header, payload)


def test_a_frame_that_libzmq_would_not_take() -> None:
    with pytest.raises(ProtocolError, match="one frame"):
        check_limits([1, 2, (1 << 30) + 1])


def test_a_header_nested_to_death() -> None:
    with pytest.raises(ProtocolError):
        decode(frames(b"x", b"[" * 100_000))


@pytest.mark.parametrize("value", [True, 1.5, "1", None, []])
def test_wanted_values_have_their_type(value: object) -> None:
    with pytest.raises(ProtocolError):
        want({"n": value}, "n", int)
    assert want({"n": 3}, "n", int) == 3
    assert want({"n": 3}, "n", float) == 3
    assert want({}, "n", int, None) is None
    with pytest.raises(ProtocolError, match="lacks"):
        want({}, "n", int)
    with pytest.raises(ProtocolError, match="not a number"):
        want({"n": float("nan")}, "n", float)


def test_errors_keep_what_they_carry() -> None:
    error = MigrationRefused(
        "job.conn cannot travel", frame=FrameAddress("job", "job.py", 7), variable="job.conn"
    )
    again = rebuild_error(json.loads(json.dumps(describe_error(error))))
    assert type(again) is MigrationRefused
    assert (again.reason, again.frame, again.variable) == (
        error.reason,
        error.frame,
        error.variable,
    )
    assert str(again) == str(error)


def test_other_errors() -> None:
    assert type(rebuild_error(describe_error(TaskLost("gone")))) is TaskLost
    assert "KeyError" in rebuild_error(describe_error(KeyError("x"))).message
    assert len(json.dumps(describe_error(TaskLost("x" * (1 << 25))))) < 1 << 20
    for odd in (None, {}, {"type": "os"}, {"type": "FrameAddress"}, {"type": "sys", "message": 3}):
        assert type(rebuild_error(odd)) is HetmigError


def test_an_errors_plain_data_travels_and_nothing_else() -> None:
    error = SourceChanged("another", function="m.f", needed="ab", present=None, odd=object())
    described = json.loads(json.dumps(describe_error(error)))
    again = rebuild_error(described)
    assert type(again) is SourceChanged
    assert again.data == {"function": "m.f", "needed": "ab", "present": None}
    described["data"] = {"frame": 1, "reason": 2, "variable": 3, "kept": 4}
    assert rebuild_error(described).data == {"kept": 4}
