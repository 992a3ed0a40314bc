"""`hetmig.dumps` and `hetmig.loads`: any Python value as one byte string, and back."""

from __future__ import annotations

from typing import Any

from hetmig.state import parcel
from hetmig.state.image import Image, thaw, thaw_value, value_frames
from hetmig.state.manifest import check_python, value_manifest

__all__ = ["dumps", "loads"]


def dumps(obj: object, key: bytes | None = None, *, portable: bool = False) -> bytes:
    """The parcel with a value, as bytes.

    `key` is a secret of 16 bytes or more, shared with whoever loads it.  Without one the parcel is
    protected against accidents only.  With `portable`, every supported version of Python can load
    it: code travels as source.  Without, it is pinned to this minor version if there is code in it.
    Raises `NotMigratable` for what cannot travel.
    """
    frames, is_portable = value_frames(obj, portable=portable)
    return parcel.seal_bytes(value_manifest(is_portable), frames, key)


def loads(data: parcel.Buffer, key: bytes | None = None) -> Any:
    """The value in a parcel that `dumps` made with the same key.

    Loading runs code that the parcel names, so bytes that somebody else could have written or
    changed need a key: without one, load only what you wrote yourself and kept to yourself.
    Raises a `ParcelError` before anything is unpickled if the parcel is damaged, forged, too
    large, or pinned to another Python version; `MigrationRefused` if something that the value needs
    is not here; and its subclass `SourceChanged` if a suspended function has other code here.
    """
    text, frames = parcel.open_bytes(data, key)
    if frames and text in (value_manifest(True), value_manifest(False)):
        return thaw_value(frames)
    manifest = parcel.read_manifest(text)
    check_python(manifest)
    return thaw(Image.of_parcel(parcel.Parcel(manifest, frames, authenticated=key is not None)))
