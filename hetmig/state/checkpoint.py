"""A checkpoint: a frozen task in a file, from which it can be started again.

It is a parcel whose manifest has one entry more, sealed with a key which is derived from a secret
and the name of the task's series of checkpoints: who knows that key can make checkpoints of this
series only.  The names of a series sort by age: `SERIES.EPOCH.NUMBER.checkpoint`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hetmig.errors import (
    ForgedParcel,
    HetmigError,
    NoCheckpoint,
    ParcelError,
    UnsupportedFormat,
)
from hetmig.state.manifest import check_python, this_python
from hetmig.state.parcel import Buffer, Parcel, open_sealed, peek, seal
from hetmig.state.stores import Store, locate, store_at

__all__ = [
    "KEEP",
    "SUFFIX",
    "FindKey",
    "Loaded",
    "Name",
    "claimed",
    "derived",
    "digest_of",
    "fingerprint",
    "forget",
    "load",
    "names_in",
    "open_checkpoint",
    "prune",
    "resumed",
    "seal_checkpoint",
    "take_out_written",
]

KEEP = 3
"""So many of a series are kept, unless somebody says otherwise."""
SUFFIX = ".checkpoint"
_VERSION = 1
_NAME = re.compile(rf"([0-9a-f]{{1,64}})\.(\d{{1,12}})\.(\d{{1,12}}){re.escape(SUFFIX)}", re.ASCII)

FindKey = Callable[[str, str], bytes | None]
"""The key of a series of this fingerprint, if it is known here."""


@dataclass(frozen=True, order=True)
class Name:
    """The name of a checkpoint; a greater one of the same series is later."""

    series: str
    epoch: int
    """That of the ownership under which the task ran."""
    number: int

    def __str__(self) -> str:
        return f"{self.series}.{self.epoch:06}.{self.number:06}{SUFFIX}"

    @classmethod
    def parse(cls, text: str) -> Name | None:
        """None for what is no such name."""
        match = _NAME.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]), int(match[3]))


@dataclass
class Loaded:
    """A checkpoint that was found good: authenticated, readable by this Python, still pickled."""

    where: str
    name: Name
    parcel: Parcel
    next_epoch: int
    """Later than that of every checkpoint of the series there."""
    skipped: list[tuple[str, HetmigError]] = field(default_factory=list)
    """Newer ones, and what is wrong with them."""

    @property
    def task(self) -> dict[str, Any]:
        """The task's record."""
        return dict(self.parcel.manifest["task"])

    @property
    def about(self) -> dict[str, Any]:
        """What the checkpoint says of itself."""
        return dict(self.parcel.manifest["checkpoint"])


def derived(secret: bytes, series: str) -> bytes:
    """The key of a series."""
    return hmac.digest(secret, b"hetmig checkpoints " + series.encode(), "sha256")


def fingerprint(key: bytes) -> str:
    """By which a key is known without being told."""
    return hashlib.sha256(b"hetmig checkpoint key " + key).hexdigest()[:16]


def seal_checkpoint(
    manifest: Mapping[str, Any],
    frames: Sequence[Buffer],
    key: bytes,
    about: Mapping[str, Any],
    written: Iterable[tuple[str, bytes]] = (),
) -> list[bytes | memoryview]:
    """The parcel with a frozen task; `about` says which: `series`, `epoch`, `number` ...

    `written` is output of the task, (stream, piece), that nobody may have seen yet.
    """
    pieces = list(written)
    entry = {**about, "version": _VERSION, "key": fingerprint(key)}
    entry["written"] = [[stream, len(piece)] for stream, piece in pieces]
    data = b"".join(piece for _, piece in pieces)
    return seal({**manifest, "checkpoint": entry}, [*frames, data], key)


def open_checkpoint(wire: Sequence[Buffer], find: FindKey) -> Parcel:
    """Check a checkpoint completely, before anything of it is unpickled.

    Raises ForgedParcel, TruncatedParcel, ParcelTooLarge, UnsupportedFormat or VersionMismatch.
    """
    series, known_as = claimed(peek(wire).manifest)
    key = find(series, known_as)
    if key is None:
        raise ForgedParcel(
            f"the checkpoint is sealed with a key ({known_as}) that is not here, or it was changed;"
            " give the secret of the node that made it with --key"
        )
    parcel = open_sealed(wire, key)
    if not parcel.frames:
        raise UnsupportedFormat("the checkpoint holds no task")
    check_python(parcel.manifest)
    return parcel


def claimed(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """Series and fingerprint of the key, of a manifest that nobody has authenticated yet."""
    entry = manifest.get("checkpoint")
    if not isinstance(entry, dict):
        raise UnsupportedFormat("this parcel is no checkpoint")
    if entry.get("version") != _VERSION:
        raise UnsupportedFormat(
            f"a checkpoint of version {entry.get('version')!r}; this hetmig reads {_VERSION}"
        )
    series, known_as = entry.get("series"), entry.get("key")
    if not isinstance(series, str) or not isinstance(known_as, str) or len(known_as) > 64:
        raise UnsupportedFormat("the checkpoint does not say of which series it is")
    return series, known_as


def take_out_written(parcel: Parcel) -> tuple[Parcel, list[tuple[str, bytes]]]:
    """The parcel as the task left it, and the output that travels in the checkpoint."""
    *frames, data = parcel.frames
    pieces, position = [], 0
    for stream, length in parcel.manifest["checkpoint"]["written"]:
        pieces.append((str(stream), bytes(data[position : position + length])))
        position += length
    return dataclasses.replace(parcel, frames=frames), pieces


def names_in(store: Store, series: str | None = None) -> list[Name]:
    """The checkpoints in a store, the newest first, of one series or of all."""
    found = [name for text in store.names() if (name := Name.parse(text)) is not None]
    wanted = [name for name in found if series in (None, name.series)]
    return sorted(wanted, key=lambda name: (name.epoch, name.number), reverse=True)


def prune(store: Store, series: str, keep: int) -> None:
    """Remove all of a series but the newest `keep`."""
    for name in names_in(store, series)[max(keep, 0) :]:
        store.remove(str(name))


def load(
    source: str | os.PathLike[str],
    find: FindKey,
    series: str | None = None,
    *,
    before: Name | None = None,
) -> Loaded:
    """The newest good checkpoint at a path or URL, of a directory or of one file.

    `before`: only what is older than this one.  A damaged one is passed over, and told of.
    Raises NoCheckpoint if nothing is there; if nothing there is good, what is wrong with the
    newest one.
    """
    store, file = locate(source, SUFFIX)
    if file is not None:
        return _load_file(store, file, find)
    names = names_in(store, series)
    if not names:
        raise NoCheckpoint(f"there is no checkpoint in {store.url}")
    if len({name.series for name in names}) > 1:
        known = ", ".join(sorted({name.series for name in names}))
        raise HetmigError(f"{store.url} has checkpoints of several tasks; say which: {known}")
    skipped: list[tuple[str, HetmigError]] = []
    for name in names:
        if before is not None and name >= before:
            continue
        where = store.where(str(name))
        try:
            parcel = open_checkpoint(store.read(str(name)), find)
            return Loaded(where, name, parcel, names[0].epoch + 1, skipped)
        except (ParcelError, NoCheckpoint) as error:
            skipped.append((where, error))
    if not skipped:
        raise NoCheckpoint(f"there is no older checkpoint in {store.url}")
    where, reason = skipped[0]
    raise type(reason)(f"no checkpoint in {store.url} can be used; {where}: {reason}")


def _load_file(store: Store, file: str, find: FindKey) -> Loaded:
    parcel = open_checkpoint(store.read(file), find)
    about = parcel.manifest["checkpoint"]
    name = Name(about["series"], about["epoch"], about["number"])
    beside = [other.epoch for other in names_in(store, name.series)]
    return Loaded(store.where(file), name, parcel, max([name.epoch, *beside]) + 1)


def resumed(loaded: Loaded) -> tuple[dict[str, Any], list[memoryview]]:
    """A checkpoint as it is submitted: a new task, which goes on with the series of the old one."""
    task = loaded.task
    settings = task.get("checkpoint") or {}
    about: dict[str, Any] = {
        **{item: task.get(item) for item in ("name", "argv", "file", "directory")},
        **{item: task[item] for item in ("named", "location", "mailbox") if item in task},
        "id": secrets.token_hex(6),
        "python": this_python(),
        "epoch": loaded.next_epoch,
        "checkpoint": {**settings, "series": loaded.name.series, "number": loaded.name.number},
        **({"needs": task["needs"]} if task.get("needs") else {}),
    }
    return {**loaded.parcel.manifest, "task": about}, loaded.parcel.frames


def digest_of(text: str, argv: Sequence[str]) -> str:
    """What tells a script and its arguments from another."""
    return hashlib.sha256(json.dumps([text, *argv]).encode()).hexdigest()


def forget(place: str | os.PathLike[str], series: str) -> None:
    """Remove all checkpoints of a series: the task has come to its end."""
    prune(store_at(place), series, 0)
