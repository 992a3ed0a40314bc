"""What reads bytes of others before anything is unpickled.  Each may raise a HetmigError, only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import zmq

from hetmig.errors import HetmigError
from hetmig.node import protocol
from hetmig.node.caller import ALL
from hetmig.node.freezing import checked_record
from hetmig.node.keys import Identity
from hetmig.node.mailbox import Mailbox
from hetmig.node.protocol import want
from hetmig.node.rights import NEEDED, admit
from hetmig.state import parcel
from hetmig.state.json_text import read_json
from hetmig.state.manifest import check_python, make_manifest

KEY = b"k" * 32
USER = Identity(b"u" * 40, b"")
_MAC = 32
_FIELDS = ("id", "task", "epoch", "home", "source", "to", "timeout", "as", "seconds", "modules")


class _Ring:
    """A keyring that grants everything."""

    def rights(self, public: bytes) -> frozenset[str]:
        return ALL


def frames_of(data: bytes) -> list[bytes]:
    """A message of several frames in one piece: each begins with its length, as two bytes."""
    found = []
    while data:
        length = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    return found


def joined(*frames: bytes) -> bytes:
    return b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)


def message(data: bytes) -> None:
    """Decoded, admitted, asked for its fields; and what was read is what would be written."""
    read = protocol.decode([zmq.Frame(frame) for frame in frames_of(data)])
    read.user = USER.public
    for kind in (str, int, float, bool, list, dict):
        for name in _FIELDS:
            try:
                want(read.header, name, kind)
            except HetmigError:
                pass
    again = protocol.encode(read.kind, read.header, read.payload)
    assert json.dumps(read.header).encode() == bytes(again[1])
    admit(read, _Ring())  # type: ignore[arg-type]
    assert read.kind in NEEDED


def sealed(data: bytes) -> None:
    """A parcel in one piece, as it is."""
    parcel.open_bytes(data, KEY)
    raise AssertionError("a parcel was opened whose code nobody could know")


def resealed(data: bytes) -> None:
    """The same under a right code: what its sender has said, an owner of the key."""
    body = data[:-_MAC] if len(data) > _MAC else data
    data = body + parcel._authentication(KEY, [body])
    text, payload = parcel.open_bytes(data, KEY)
    wire = parcel.split(data)
    opened = parcel.open_sealed(wire, KEY)
    assert [bytes(frame) for frame in opened.frames] == [bytes(frame) for frame in payload]
    assert parcel.join(wire) == data
    assert opened.manifest == parcel.read_manifest(text) or "NaN" in str(text)
    _use(opened.manifest)


def manifest(data: bytes) -> None:
    """The text of a manifest."""
    _use(parcel.read_manifest(data))


def _use(read: dict[str, Any]) -> None:
    """As a node does, before it gives anything to a runner."""
    about = read.get("task")
    task = about.get("id") if isinstance(about, dict) else ""
    epoch = about.get("epoch") if isinstance(about, dict) else 0
    record = checked_record(read, task, epoch)  # type: ignore[arg-type]
    described = record.get("mailbox")
    if described is not None:
        want(record, "mailbox", dict)
        Mailbox.unpacked(described, b"x" * 8, 0.0)
    check_python(read)


def error(data: bytes) -> None:
    """An error that another node describes."""
    try:
        described = read_json(data)
    except ValueError:
        return
    rebuilt = protocol.rebuild_error(described)
    assert isinstance(rebuilt, HetmigError)
    str(rebuilt)
    json.dumps(protocol.describe_error(rebuilt))


def mailbox(data: bytes) -> None:
    """What an actor on the way says of its mailbox; put together, it can be packed again."""
    try:
        described = read_json(data)
    except ValueError:
        return
    want({"": described}, "", dict)
    box = Mailbox.unpacked(described, b"x" * 16, 0.0)
    box.packed(0.0)
    while box.take() is not None:
        box.put_back()
        box.take()
        box.current = None


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "sealed": sealed,
    "resealed": resealed,
    "manifest": manifest,
    "error": error,
    "mailbox": mailbox,
}


def seeds() -> dict[str, list[bytes]]:
    """What each target begins with, beside the corpus."""
    home = {"name": "a", "endpoint": "tcp://127.0.0.1:1", "key": "k" * 40}
    about = {"id": "t", "name": "f", "home": home, "epoch": 2, "events": 0, "hops": 1}
    calls = [["s", 1, {"method": "m"}, [8]]]
    about["mailbox"] = {"calls": calls, "senders": [["s", 2, 0.5, [], [[1, {"ok": True}, []]]]]}
    made = make_manifest("frames", [{"function": "f", "file": "f.py", "line": 1}], 2, about)
    made["python"] = {"implementation": "cpython", "version": "3.11.7", "magic": "a70d0d0a"}
    text = json.dumps(made).encode()
    whole = parcel.seal_bytes(text, [b"first", b"second frame"], b"another key of the same kind")
    headers = [
        {"id": 1, "task": "t", "epoch": 2, "to": "b", "timeout": 1.5, "as": "k", "home": home}
    ]
    return {
        "message": [
            joined(kind.encode(), json.dumps(header).encode(), b"payload", b"")
            for kind in sorted(NEEDED)
            for header in headers
        ],
        "sealed": [whole],
        "resealed": [whole],
        "manifest": [text],
        "mailbox": [
            json.dumps(about["mailbox"]).encode(),
            b'{"calls": [["s", 1, {"method": "m"}, [8]], ["s", 2, {}, []]],'
            b' "senders": [["s", 3, 0.5, [[5, {}, [4]]], [[1, {"ok": true}, [4]]]],'
            b' ["t", 1, 9, [], []]]}',
        ],
        "error": [
            json.dumps(protocol.describe_error(HetmigError("x", a=1, b="y"))).encode(),
            b'{"type": "SourceChanged", "message": "m", "reason": "r", "frame": ["f", "g", 1],'
            b' "variable": null, "data": {"needed": "ab", "present": null}}',
        ],
    }


def _message_with(data: bytes, text: bytes) -> bytes:
    kind, _, *payload = frames_of(data)
    return joined(kind, text, *payload)


def _parcel_with(data: bytes, text: bytes) -> bytes:
    _, _, *payload, _ = parcel.split(data)
    return parcel.seal_bytes(text, [bytes(frame) for frame in payload], KEY)


PARTS: dict[str, tuple[Callable[[bytes], Any], Callable[[bytes, bytes], bytes]]] = {
    "message": (lambda data: frames_of(data)[1], _message_with),
    "resealed": (lambda data: bytes(parcel.split(data)[1]), _parcel_with),
    "manifest": (lambda data: data, lambda data, text: text),
    "error": (lambda data: data, lambda data, text: text),
    "mailbox": (lambda data: data, lambda data, text: text),
}
"""The JSON in an input, and the same input with another one."""


def name_of(data: bytes) -> str:
    """A file name for an input."""
    return hashlib.sha256(data).hexdigest()[:16]


__all__ = ["PARTS", "TARGETS", "frames_of", "joined", "name_of", "seeds"]
