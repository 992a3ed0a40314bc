"""A record as frames for its new home, and back.  Nothing in it is unpickled here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hetmig.errors import MessageTooLarge, ProtocolError
from hetmig.node.chronicle import Chronicle
from hetmig.node.itinerary import Itinerary
from hetmig.node.protocol import Buffer, place_of, want
from hetmig.node.record import Outcome, Record
from hetmig.state.json_text import DEPTH, read_json

__all__ = ["pack", "unpack"]

_AS_THEY_ARE = ("epoch", "state", "progress", "checkpoint_failed", "is_told", "fence", "version")
_TYPES = {"epoch": int, "state": str, "checkpoint_failed": str, "fence": int, "version": int}


def pack(record: Record) -> list[Buffer]:
    """All there is to a record: a description, small pieces in one frame, then the result."""
    small: list[Buffer] = []
    early = []
    for number, (header, payload) in record._early.items():
        early.append([number, header, [len(frame) for frame in payload]])
        small += payload
    output = [[number, stream, len(piece)] for number, stream, piece in record.output.pieces]
    small += [piece for *_, piece in record.output.pieces]
    outcome, ended = record.outcome, record._ended
    key = record.checkpoint_key
    state = {
        **{item: getattr(record, item) for item in _AS_THEY_ARE},
        "about": record.about,
        "place": record.place,
        "submitted": record.submitted,
        "deeds": record.deeds,
        "seen": record.output.seen_up_to,
        "next": record.next_event,
        "dropped": list(record.output.dropped),
        **record.hops.packed(),
        "chronicle": record.chronicle.all(),
        "ended_at": record.ended,
        "checkpoint": record.checkpoint,
        "checkpoint_key": None if key is None else key.hex(),
        "given_up": record.given_up,
        "replica": record.replica,
        "replicated": list(record._replicated),
        "early": early,
        "output": output,
        "ended": None if ended is None else ended[0],
        "outcome": None if outcome is None else _described(outcome),
    }
    frames = [] if ended is None else ended[1]
    return [json.dumps(state).encode(), b"".join(small), *frames]


def _described(outcome: Outcome) -> dict[str, Any]:
    described = {**vars(outcome), "frames": bool(outcome.frames)}
    return described


def unpack(frames: Sequence[Buffer]) -> Record:
    """The record that `pack` packed.  Raises ProtocolError for anything else."""
    try:
        return _unpacked(frames)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ProtocolError(f"this is no record of a task: {error!r}") from error


def _unpacked(frames: Sequence[Buffer]) -> Record:
    description, small, *result = map(bytes, frames)
    state = read_json(description, DEPTH, MessageTooLarge, "--max-depth")
    about = dict(state["about"])
    for item, kind in {"id": str, "name": str, "epoch": int, "home": dict}.items():
        want(about, item, kind)
    record = Record(about, place_of(state["place"]), float(state["submitted"]), int(state["seen"]))
    for item in _AS_THEY_ARE:
        setattr(record, item, want(state, item, _TYPES.get(item, type(state[item]))))
    record.deeds = [str(deed) for deed in state["deeds"]]
    record.given_up = [place_of(place) for place in state["given_up"]]
    record.hops = Itinerary.unpacked(state)
    record.chronicle = Chronicle.unpacked(want(state, "chronicle", dict))
    record.ended = want(state, "ended_at", float, None)
    record.checkpoint = want(state, "checkpoint", dict, None)
    record.replica = want(state, "replica", dict, None)
    epoch, number = state["replicated"]
    record._replicated = int(epoch), int(number)
    key = want(state, "checkpoint_key", str, None)
    record.checkpoint_key = None if key is None else bytes.fromhex(key)
    _put_events_back(record, state, memoryview(small), result)
    return record


def _put_events_back(
    record: Record, state: dict[str, Any], small: memoryview, result: list[bytes]
) -> None:
    def cut(size: int) -> bytes:
        nonlocal small
        if not 0 <= size <= len(small):
            raise ProtocolError("this is no record of a task: a piece of it is missing")
        piece, small = bytes(small[:size]), small[size:]
        return piece

    for number, header, sizes in state["early"]:
        record._early[int(number)] = dict(header), [cut(size) for size in sizes]
    for number, stream, size in state["output"]:
        record.output.write(int(number), str(stream), cut(size))
    number, count = state["dropped"]
    record.output.dropped, record.next_event = (int(number), int(count)), int(state["next"])
    if (ended := want(state, "ended", dict, None)) is not None:
        record._ended = ended, result
    if (outcome := want(state, "outcome", dict, None)) is not None:
        chosen = {**outcome, "frames": result if outcome["frames"] else []}
        record.outcome = Outcome(**chosen)
