"""Archives that are read: opened again over the file they are in, which travels itself.

What an open `ZipFile` or `TarFile` keeps of its archive differs even between micro versions of
Python; what it has read, it can read again.  That is so for a value by itself.  A program may stand
in the middle of a method of such an object, or hold one of its parts: there it goes as it is.
"""

from __future__ import annotations

import sys
from typing import Any

from hetmig.errors import NotMigratable

__all__ = ["BY_NAME", "tar_archive", "zip_archive"]

_WRITING = (
    "an archive that is being written can't be opened again in the middle; close it before a move"
)
_ZIP = ("compression", "compresslevel", "pwd", "debug", "metadata_encoding")
_TAR = ("dereference", "ignore_zeros", "encoding", "errors", "debug", "errorlevel")


def _reduce_zip(pickler: Any, archive: Any) -> Any:
    if (
        pickler.of_program
        or type(archive) is not sys.modules["zipfile"].ZipFile
        or archive.fp is None
    ):
        return NotImplemented
    if archive.mode != "r":
        raise NotMigratable(_WRITING)
    if archive._fileRefCnt > 1:
        raise NotMigratable("a member of this archive is open; close it before a move")
    options = {name: getattr(archive, name) for name in _ZIP if hasattr(archive, name)}
    return zip_archive, (archive.fp, archive.filename, archive.fp.tell(), options)


def zip_archive(file: Any, name: Any, position: int, options: dict[str, Any]) -> Any:
    """An archive that is read from an open file."""
    import zipfile

    encoding = options.pop("metadata_encoding", None)
    made = zipfile.ZipFile(file, metadata_encoding=encoding)
    made.filename = name
    vars(made).update(options)
    file.seek(position)
    return made


def _reduce_tar(pickler: Any, archive: Any) -> Any:
    if pickler.of_program or type(archive) is not sys.modules["tarfile"].TarFile or archive.closed:
        return NotImplemented
    if archive.mode != "r":
        raise NotMigratable(_WRITING)
    options = {name: getattr(archive, name) for name in _TAR}
    start = archive.members[0].offset if archive.members else archive.offset
    begun = archive.firstmember is None
    read = len(archive.members), archive._loaded
    place = archive.fileobj.tell()
    return tar_archive, (archive.fileobj, archive.name, start, begun, read, place, options)


def tar_archive(
    file: Any,
    name: Any,
    start: int,
    begun: bool,
    read: tuple[int, bool],
    position: int,
    options: dict[str, Any],
) -> Any:
    """An archive that is read from an open file, and whose members have been read so far."""
    import tarfile

    count, loaded = read
    file.seek(start)
    made: Any = tarfile.TarFile(name, fileobj=file, **options)
    if begun:
        made.next()
    while len(made.members) < count:
        made.next()
    if loaded:
        made.getmembers()
    file.seek(position)
    return made


BY_NAME: dict[tuple[str, str], Any] = {
    ("zipfile", "ZipFile"): _reduce_zip,
    ("tarfile", "TarFile"): _reduce_tar,
}
