"""Where checkpoints are kept: a directory, or whatever fsspec reaches (`s3://bucket/tasks`).

What is written is there whole or not at all: a file by renaming it when all of it is on the disk,
an object of an object store by being put in one piece.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from hetmig.errors import CheckpointFailed, HetmigError, NoCheckpoint, ParcelError, ParcelTooLarge
from hetmig.state.parcel import (
    DEFAULT_LIMITS,
    Buffer,
    join,
    read_file,
    split,
    sync_directory,
    write_file,
)

__all__ = ["Directory", "Remote", "Store", "is_url", "locate", "locked", "store_at"]

_LOOK_SECONDS = 0.05
_OBJECT_STORES = frozenset(
    {"abfs", "abfss", "adl", "az", "gcs", "gs", "memory", "oci", "oss", "r2", "s3", "s3a"}
)
"""Here a put is whole or not at all, and a rename would be another put."""


class Store(Protocol):
    """A place that holds parcels by their names.  Its methods block: call them in a thread."""

    url: str

    def names(self) -> list[str]:
        """What is there; nothing if the place does not exist yet.  Raises CheckpointFailed."""

    def read(self, name: str) -> list[Buffer]:
        """The wire frames of a parcel.  Raises ParcelError, NoCheckpoint or CheckpointFailed."""

    def write(self, name: str, wire: Iterable[Buffer]) -> int:
        """Keep a parcel, durably; its size in bytes.  Raises CheckpointFailed."""

    def remove(self, name: str) -> None:
        """Forget a parcel, if it is there.  Raises CheckpointFailed."""

    def where(self, name: str) -> str:
        """Path or URL of a parcel."""


def is_url(place: str) -> bool:
    """Whether a place is given by a URL, and not by a path."""
    return "://" in place


def store_at(place: str | os.PathLike[str]) -> Store:
    """The store at a path or URL.  Raises HetmigError if fsspec is needed and is not here."""
    text = os.fspath(place)
    if not is_url(text):
        return Directory(os.path.abspath(text))
    if text.startswith("file://"):
        return Directory(unquote(urlsplit(text).path))
    return Remote(text.rstrip("/"))


def locate(source: str | os.PathLike[str], suffix: str) -> tuple[Store, str | None]:
    """The store that is meant by a path or URL, and the name if it is one file of it.

    Raises NoCheckpoint if there is no such path.
    """
    text = os.fspath(source)
    if is_url(text):
        whole, _, name = text.rpartition("/")
        return (store_at(whole), name) if name.endswith(suffix) else (store_at(text), None)
    if os.path.isdir(text):
        return store_at(text), None
    if not os.path.exists(text):
        raise NoCheckpoint(f"there is no {text}")
    return store_at(os.path.dirname(os.path.abspath(text))), os.path.basename(text)


class Directory:
    """A directory on a disk; made at the first write, for its owner only."""

    def __init__(self, path: str) -> None:
        self.url = path

    def names(self) -> list[str]:
        """What is there."""
        with _explained(self.url):
            try:
                return os.listdir(self.url)
            except FileNotFoundError:
                return []

    def read(self, name: str) -> list[Buffer]:
        """The wire frames of a parcel."""
        with _explained(self.where(name)):
            return read_file(self.where(name))

    def write(self, name: str, wire: Iterable[Buffer]) -> int:
        """Keep a parcel: all of it is on the disk, and then it gets its name."""
        with _explained(self.url):
            Path(self.url).mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.where(name), wire)
            sync_directory(self.url)
            return os.stat(self.where(name)).st_size

    def remove(self, name: str) -> None:
        """Forget a parcel."""
        with _explained(self.where(name)), contextlib.suppress(FileNotFoundError):
            os.unlink(self.where(name))

    def sweep(self) -> None:
        """Remove what a killed process has left half written.  For who has it locked."""
        for name in self.names():
            if name.startswith(".") and ".checkpoint." in name:
                self.remove(name)

    def where(self, name: str) -> str:
        """Its path."""
        return os.path.join(self.url, name)


class Remote:
    """A place that fsspec reaches."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            fsspec: Any = importlib.import_module("fsspec")
            with _explained(url):
                self._files, self._root = fsspec.core.url_to_fs(url)
        except ModuleNotFoundError:
            extra = "s3" if url.startswith(("s3://", "s3a://")) else "fsspec"
            raise HetmigError(f"{url} needs fsspec: pip install 'hetmig[{extra}]'") from None
        self._whole = url.partition("://")[0] in _OBJECT_STORES

    def names(self) -> list[str]:
        """What is there."""
        with _explained(self.url):
            self._files.invalidate_cache()  # others write there, too
            try:
                found = self._files.ls(self._root, detail=False)
            except FileNotFoundError:
                return []
            return [str(path).rstrip("/").rpartition("/")[2] for path in found]

    def read(self, name: str) -> list[Buffer]:
        """The wire frames of a parcel; it is not fetched if it is too large."""
        with _explained(self.where(name)):
            size = self._files.info(self._path(name))["size"]
            if size > DEFAULT_LIMITS.total_bytes:
                limit = DEFAULT_LIMITS.total_bytes
                raise ParcelTooLarge(f"{self.where(name)} has {size} bytes; {limit} are allowed")
            return split(self._files.cat_file(self._path(name)))

    def write(self, name: str, wire: Iterable[Buffer]) -> int:
        """Keep a parcel in one put; where that is no protection, under another name first."""
        data = join(wire)
        with _explained(self.where(name)):
            if self._whole:
                self._files.pipe_file(self._path(name), data)
            else:
                self._files.makedirs(self._root, exist_ok=True)
                self._files.pipe_file(self._path(f".{name}"), data)
                self._files.mv(self._path(f".{name}"), self._path(name))
        return len(data)

    def remove(self, name: str) -> None:
        """Forget a parcel."""
        with _explained(self.where(name)), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def where(self, name: str) -> str:
        """Its URL."""
        return f"{self.url}/{name}"

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Whatever a disk, or one of fsspec's file systems, has to say."""
    try:
        yield
    except (ParcelError, HetmigError):
        raise
    except FileNotFoundError:
        raise NoCheckpoint(f"there is no {what}") from None
    except ModuleNotFoundError as error:
        raise HetmigError(
            f"{what} needs {error.name}: pip install 'hetmig[s3]' for S3, and for others what "
            "fsspec's documentation names"
        ) from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise CheckpointFailed(f"{what}: {reason}") from error


@contextlib.contextmanager
def locked(store: Store, patience: float = 0.0) -> Iterator[tuple[int, ...]]:
    """Be the only one who works with a directory; the descriptors which hold it, to be inherited.

    It ends with the last process that has them, however that ends.  Raises HetmigError if somebody
    else is at work there, after `patience` seconds.  Places that are not directories have no such
    lock.
    """
    if os.name != "posix" or not isinstance(store, Directory):
        yield ()
        return
    import fcntl

    with _explained(store.url):
        Path(store.url).mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(store.where(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise HetmigError(
                        f"another program works with the checkpoints in {store.url}: end it, or "
                        "choose another directory"
                    ) from None
                time.sleep(_LOOK_SECONDS)
        yield (handle,)
    finally:
        os.close(handle)
