"""The sealed envelope in which frozen state travels, and every check made before it is opened.

A parcel on the wire is a list of buffers: a header, a manifest in JSON, the payload frames and an
authentication code.  The header states the length of everything, and the code (HMAC-SHA-256, or
without a key a mere SHA-256) covers the header, so that no frame can be cut, swapped or moved into
its neighbour.  Nothing in this module unpickles.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import struct
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hetmig.errors import (
    ForgedParcel,
    ParcelTooLarge,
    TruncatedParcel,
    UnsupportedFormat,
)
from hetmig.state.json_text import read_json

__all__ = [
    "DEFAULT_LIMITS",
    "Buffer",
    "Limits",
    "Parcel",
    "join",
    "open_bytes",
    "open_sealed",
    "peek",
    "read_file",
    "read_manifest",
    "seal",
    "seal_bytes",
    "split",
    "sync_directory",
    "write_file",
]

Buffer = bytes | bytearray | memoryview

MAGIC = b"HETMIG"
FORMAT = 1
MIN_KEY = 16
_HEAD = struct.Struct("!6sHII")  # magic, format, number of payload frames, length of the manifest
_LENGTH = struct.Struct("!Q")
_MAC_SIZE = 32
_CHECKSUM = hashlib.sha256(b"hetmig: without a key; this proves integrity and nothing else")


@dataclass(frozen=True)
class Limits:
    """What a receiver takes at most; a parcel beyond is a `ParcelTooLarge`."""

    frames: int = 4096
    """Number of payload frames."""
    frame_bytes: int = 1 << 32
    """Bytes in one payload frame."""
    total_bytes: int = 1 << 33
    """Bytes in all of the parcel."""
    manifest_bytes: int = 1 << 24
    """Bytes of the manifest's JSON text."""
    manifest_depth: int = 64
    """Arrays and objects within each other in it; a message that holds a manifest is deeper."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Parcel:
    """An opened parcel: its manifest and its payload, still pickled."""

    manifest: dict[str, Any]
    frames: list[memoryview]
    authenticated: bool
    """Whether its authentication code was checked with a secret key."""


def seal(
    manifest: Mapping[str, Any], frames: Sequence[Buffer], key: bytes | None
) -> list[bytes | memoryview]:
    """Wrap `frames` (not copied) into a parcel for whoever holds `key`.

    `key` is a shared secret of 16 bytes or more (`ValueError` if shorter).  With None the code is a
    mere checksum: it finds accidents and stops nobody.
    """
    text = json.dumps(manifest, separators=(",", ":")).encode()
    return _sealed(text, [_flat(frame) for frame in frames], key)


def seal_bytes(text: bytes, frames: Sequence[Buffer], key: bytes | None) -> bytes:
    """The same as one byte string, for a manifest that is encoded already."""
    return join(_sealed(text, [f if type(f) is bytes else _flat(f) for f in frames], key))


def _sealed(
    text: bytes, flat: Sequence[bytes | memoryview], key: bytes | None
) -> list[bytes | memoryview]:
    header = _HEAD.pack(MAGIC, FORMAT, len(flat), len(text))
    wire = [header + b"".join([_LENGTH.pack(len(part)) for part in flat]), text, *flat]
    wire.append(_authentication(key, wire))
    return wire


def open_sealed(
    wire: Sequence[Buffer], key: bytes | None, limits: Limits = DEFAULT_LIMITS
) -> Parcel:
    """Check a parcel completely and open it; the payload stays pickled.

    Raises `UnsupportedFormat`, `TruncatedParcel`, `ParcelTooLarge` or `ForgedParcel`.
    """
    views = _checked_shape(wire, limits)
    _require(_authentication(key, views[:-1]), views[-1])
    return Parcel(read_manifest(views[1], limits), views[2:-1], authenticated=key is not None)


def open_bytes(
    data: Buffer, key: bytes | None, limits: Limits = DEFAULT_LIMITS
) -> tuple[bytes, list[memoryview]]:
    """Check a parcel in one byte string completely; its manifest, still encoded, and its payload.

    Raises what `open_sealed` raises.  `read_manifest` decodes the manifest.
    """
    view = _flat(data)
    position, (manifest_length, *lengths) = _measured(view, limits)
    _require(_authentication(key, [view[:-_MAC_SIZE]]), view[-_MAC_SIZE:])
    text = bytes(view[position : position + manifest_length])
    payload = []
    position += manifest_length
    for length in lengths:
        payload.append(view[position : position + length])
        position += length
    return text, payload


def peek(wire: Sequence[Buffer], limits: Limits = DEFAULT_LIMITS) -> Parcel:
    """Open a parcel to look at it, without a key: `authenticated` is False, so trust nothing in it.

    Raises what `open_sealed` raises, except `ForgedParcel`.
    """
    views = _checked_shape(wire, limits)
    return Parcel(read_manifest(views[1], limits), views[2:-1], authenticated=False)


def join(wire: Iterable[Buffer]) -> bytes:
    """One byte string that holds a whole parcel; `split` takes it apart."""
    return b"".join(wire)


def split(data: Buffer, limits: Limits = DEFAULT_LIMITS) -> list[Buffer]:
    """The wire frames of a parcel in one byte string, uncopied.

    Raises `UnsupportedFormat`, `TruncatedParcel` or `ParcelTooLarge`.
    """
    view = _flat(data)
    header_size, lengths = _measured(view, limits)
    wire: list[Buffer] = []
    position = 0
    for length in (header_size, *lengths, _MAC_SIZE):
        wire.append(view[position : position + length])
        position += length
    return wire


def write_file(path: str | os.PathLike[str], wire: Iterable[Buffer]) -> None:
    """Write a parcel to a file, so that there is either all of it or what was there before."""
    target = Path(path)
    handle, scratch = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for frame in wire:
                file.write(frame)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Have the disk know the names in a directory, too."""
    if os.name != "posix":  # elsewhere a directory can't be opened
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_file(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> list[Buffer]:
    """The wire frames of a parcel in a file; caps are checked before memory is taken.

    Raises `UnsupportedFormat`, `TruncatedParcel`, `ParcelTooLarge`, or `OSError`.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(_HEAD.size)
        count, manifest_length = _parse_head(memoryview(head), limits)
        header = head + file.read(count * _LENGTH.size)
        lengths = _lengths(memoryview(header), count, manifest_length, limits)
        lengths.append(_MAC_SIZE)
        if size != len(header) + sum(lengths):
            raise TruncatedParcel(
                f"the parcel should have {len(header) + sum(lengths)} bytes, the file has {size}"
            )
        # One writable buffer per frame: thawing can hand them to arrays without another copy.
        return [header, *(_read_exactly(file, length) for length in lengths)]


def _read_exactly(file: BinaryIO, length: int) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    done = 0
    while done < length:
        step = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not step:
            raise TruncatedParcel("the file of the parcel became shorter while it was read")
        done += step
    return buffer


def _flat(frame: Buffer) -> memoryview:
    view = memoryview(frame)
    return view if type(frame) is bytes else view.cast("B")


def _authentication(key: bytes | None, parts: Sequence[Buffer]) -> bytes:
    if key is not None and len(key) < MIN_KEY:
        raise ValueError(f"a key has at least {MIN_KEY} bytes, this one has {len(key)}")
    code = _CHECKSUM.copy() if key is None else hmac.new(key, digestmod="sha256")
    for part in parts:
        code.update(part)
    return code.digest()


def _require(expected: bytes, present: memoryview) -> None:
    if not hmac.compare_digest(expected, present):
        raise ForgedParcel(
            "the parcel's authentication code is wrong: it was changed on the way, "
            "or sealed with another key"
        )


def _measured(view: memoryview, limits: Limits) -> tuple[int, list[int]]:
    """Lengths of the header, of the manifest and of each frame of a parcel in one piece."""
    count, manifest_length = _parse_head(view, limits)
    header_size = _HEAD.size + count * _LENGTH.size
    if view.nbytes < header_size:
        raise TruncatedParcel("the parcel ends within its header")
    lengths = _stated(view, count, manifest_length, limits)
    stated = header_size + sum(lengths) + _MAC_SIZE
    if stated != view.nbytes:
        raise TruncatedParcel(f"the parcel should have {stated} bytes, it has {view.nbytes}")
    return header_size, lengths


def _parse_head(head: memoryview, limits: Limits) -> tuple[int, int]:
    """(number of payload frames, bytes of the manifest), both within the limits."""
    if head.nbytes < _HEAD.size:
        if head[: len(MAGIC)] != MAGIC[: head.nbytes] or not head.nbytes:
            raise UnsupportedFormat("this is not a hetmig parcel")
        raise TruncatedParcel("the parcel ends within its header")
    magic, version, count, manifest_length = _HEAD.unpack_from(head)
    if magic != MAGIC:
        raise UnsupportedFormat("this is not a hetmig parcel")
    if version != FORMAT:
        raise UnsupportedFormat(f"a parcel of format {version}; this hetmig reads format {FORMAT}")
    if count > limits.frames:
        raise _too_large("payload frames", count, limits.frames)
    if manifest_length > limits.manifest_bytes:
        raise _too_large("bytes of manifest", manifest_length, limits.manifest_bytes)
    return count, manifest_length


def _lengths(header: memoryview, count: int, manifest_length: int, limits: Limits) -> list[int]:
    """Length of the manifest and of each payload frame, as the header states them."""
    if header.nbytes != _HEAD.size + count * _LENGTH.size:
        raise TruncatedParcel("the parcel's header does not have the length it states")
    return _stated(header, count, manifest_length, limits)


def _stated(head: memoryview, count: int, manifest_length: int, limits: Limits) -> list[int]:
    lengths, total = [manifest_length], manifest_length
    for index in range(count):
        (length,) = _LENGTH.unpack_from(head, _HEAD.size + index * _LENGTH.size)
        if length > limits.frame_bytes:
            raise _too_large("bytes in one frame", length, limits.frame_bytes)
        lengths.append(length)
        total += length
    if total > limits.total_bytes:
        raise _too_large("bytes", total, limits.total_bytes)
    return lengths


def _too_large(what: str, value: int, limit: int) -> ParcelTooLarge:
    return ParcelTooLarge(f"the parcel has {value} {what}; {limit} are allowed here")


def _checked_shape(wire: Sequence[Buffer], limits: Limits) -> list[memoryview]:
    """The parcel as flat views, whose number and lengths are those of the header."""
    if not wire:
        raise TruncatedParcel("the parcel has no frames at all")
    if len(wire) > limits.frames + 3:
        raise _too_large("frames on the wire", len(wire), limits.frames + 3)
    views = [_flat(frame) for frame in wire]
    stated = [*_lengths(views[0], *_parse_head(views[0], limits), limits), _MAC_SIZE]
    present = [view.nbytes for view in views[1:]]
    if stated != present:
        raise TruncatedParcel("the parcel's frames do not have the number and lengths it states")
    return views


def read_manifest(text: Buffer, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The manifest in its JSON text.  Raises `UnsupportedFormat` or `ParcelTooLarge`."""
    try:
        manifest = read_json(
            bytes(text), limits.manifest_depth, ParcelTooLarge, "Limits.manifest_depth"
        )
    except (ValueError, RecursionError) as error:
        raise UnsupportedFormat(f"the parcel's manifest is not readable: {error}") from None
    if not isinstance(manifest, dict):
        raise UnsupportedFormat("the parcel's manifest is not a JSON object")
    return manifest
