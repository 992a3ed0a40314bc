"""The buffered and the text layer above a raw file, which know how they are put back elsewhere.

They are the io module's own; what is added says when the raw layer must have written everything,
keeps the place in a text known while it is iterated over, and takes the layer apart.
"""

from __future__ import annotations

import io
import os
import weakref
from typing import Any, NoReturn

from hetmig.errors import NotMigratable
from hetmig.redirection.raw import RemoteRaw, later, name_of_file, not_by_pickle

__all__ = ["BUFFERED", "Random", "Reader", "Text", "Writer"]

_LEAST = 128 << 10
"""Bytes that are buffered of a file at another node: each raw read there costs more."""


class _Buffered:
    """What the buffered layers have in common."""

    raw: Any

    def __init__(self, raw: Any, size: int) -> None:
        self._size = size
        is_remote = isinstance(raw, RemoteRaw)
        super().__init__(raw, max(size, _LEAST) if is_remote else size)  # type: ignore[call-arg]
        if is_remote:
            raw.is_behind = True
        raw.top = weakref.ref(self)

    def __del__(self) -> None:
        if not later(self):
            super().__del__()  # type: ignore[misc]

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise not_by_pickle(self)

    def __hetmig_reduce__(self) -> tuple[Any, ...]:
        file: Any = self
        name = type(self).__name__
        if _is_closed(file):
            return make_closed, (name, (file.name, file.mode, file.raw.policy))
        _flush(file)
        position = file.tell()
        unread = b""
        if file.readable() and (ahead := file.raw.tell() - position):
            unread = bytes(file.peek()[:ahead])
        return make_buffered, (name, file.raw, self._size, position, unread)


class Reader(_Buffered, io.BufferedReader):
    """For reading."""


class _Flushing(_Buffered):
    def flush(self) -> None:
        """Write all, and wait until it is written."""
        super().flush()  # type: ignore[misc]
        if isinstance(self.raw, RemoteRaw):
            self.raw.flush()


class Writer(_Flushing, io.BufferedWriter):
    """For writing."""


class Random(_Flushing, io.BufferedRandom):
    """For both."""


BUFFERED: dict[str, Any] = {cls.__name__: cls for cls in (Reader, Writer, Random)}


class Text(io.TextIOWrapper):
    """Text that knows its place while it is iterated over, too."""

    def __init__(
        self,
        buffer: Any,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        line_buffering: bool = False,
        write_through: bool = False,
    ) -> None:
        super().__init__(buffer, encoding, errors, newline, line_buffering, write_through)
        self._newline = newline
        buffer.raw.top = weakref.ref(self)

    def __del__(self) -> None:
        if not later(self):
            super().__del__()

    def reconfigure(self, **how: Any) -> None:
        """Change how it is decoded or encoded, as of `io.TextIOWrapper`."""
        super().reconfigure(**how)
        if "newline" in how:
            self._newline = how["newline"]

    def __next__(self) -> str:  # type: ignore[override]  # bytes, says its other base
        # the iteration of the base class does not say where it is
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise not_by_pickle(self)

    def __hetmig_reduce__(self) -> tuple[Any, ...]:
        coding = self.encoding, self.errors, self._newline
        if _is_closed(self):
            below: Any = self.buffer
            return make_closed, ("Text", (self.name, self.mode, below.raw.policy, *coding))
        _flush(self)
        try:
            place = self.tell()
        except (OSError, ValueError) as error:
            below = self.buffer
            name = name_of_file(below.raw)
            raise NotMigratable(f"{name} does not say where it is ({error})") from None
        buffering = self.line_buffering, self.write_through
        return make_text, (self.buffer, *coding, *buffering, self.mode, place)


def _is_closed(file: Any) -> bool:
    try:
        return bool(file.closed)
    except ValueError as error:  # detached from its file
        raise NotMigratable(f"of an open file there is but one layer left ({error})") from None


def _flush(file: Any) -> None:
    if file.writable():
        try:
            file.flush()
        except OSError as error:
            name = name_of_file(getattr(file, "buffer", file).raw)
            raise NotMigratable(
                f"what was written to {name} can't be put there ({error}): make room, or close it "
                "and handle the error"
            ) from error


def make_buffered(kind: str, raw: Any, size: int, position: int, unread: bytes) -> Any:
    """The layer as it was."""
    made = BUFFERED[kind](raw, size)
    if isinstance(raw, RemoteRaw):
        raw.put_back(position, unread)
    else:
        made.seek(position)
    return made


def make_text(
    buffer: Any,
    encoding: str,
    errors: str,
    newline: str | None,
    line_buffering: bool,
    write_through: bool,
    mode: str,
    place: int,
) -> Text:
    """The layer as it was."""
    made = Text(buffer, encoding, errors, newline, line_buffering, write_through)
    made.mode = mode  # type: ignore[misc]  # it can be set, and `open` does so
    made.seek(place)
    return made


def make_closed(kind: str, how: tuple[Any, ...]) -> Any:
    """A file which was open like this, and is closed."""
    from hetmig.redirection.raw import LocalRaw

    name, mode, policy, *coding = how
    raw_mode = mode.replace("b", "").replace("t", "").replace("x", "w")
    path = str(name)
    raw = LocalRaw(os.devnull, raw_mode, policy, path)
    made: Any = raw
    if kind != "Raw":
        layer = {"Text": None}.get(kind, kind)
        if layer is None:
            layer = "Random" if "+" in mode else "Reader" if "r" in mode else "Writer"
        # the null device can't be sought, which a layer for both asks for
        made = BUFFERED[layer](raw, io.DEFAULT_BUFFER_SIZE)
    if kind == "Text":
        made = Text(made, *coding)
        made.mode = mode
    raw.name = name
    made.close()
    return made
