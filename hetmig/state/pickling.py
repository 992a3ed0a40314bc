"""`hetmig.dumps` and `hetmig.loads`: any Python value as one byte string, and back."""

from __future__ import annotations

from typing import Any

from hetmig.state import parcel
from hetmig.state.image import Image, freeze_value, thaw
from hetmig.state.manifest import check_python

__all__ = ["dumps", "loads"]


def dumps(obj: object, key: bytes | None = None) -> bytes:
    """The parcel with a value, as bytes.

    `key` is a secret of 16 bytes or more, shared with whoever loads it.  Without one the parcel is
    protected against accidents only.  Raises `NotMigratable` for what cannot travel.
    """
    image = freeze_value(obj)
    return parcel.join(parcel.seal(image.manifest(), image.frames, key))


def loads(data: parcel.Buffer, key: bytes | None = None) -> Any:
    """The value in a parcel that `dumps` made with the same key.

    Loading runs code that the parcel names: without a key, load only what you wrote yourself.
    Raises a `ParcelError` before anything is unpickled if the parcel is damaged, forged, or made by
    another Python version, and `MigrationRefused` if something that the value needs is not here.
    """
    opened = parcel.open_sealed(parcel.split(data), key)
    check_python(opened.manifest)
    return thaw(Image.of_parcel(opened))
