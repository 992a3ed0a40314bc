"""`hetmig.open`: a file that is opened again where the task goes, at the same place in it.

For files which both machines have: on a shared file system, or as equal copies.  That they are
equal is verified: the destination refuses a file of other content.  Other open files stay (see
`resources`): nobody can say how they were opened.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from hetmig.errors import NotMigratable

__all__ = ["ReopeningText", "open", "open_again", "reduce_file"]

_PIECE = 1 << 20
_GOING = os.O_TRUNC | os.O_CREAT | os.O_EXCL
_DECLARED = "_hetmig_opened"
"""The attribute which `open` sets."""
_resumed = _standby = False
"""Whether the files that are opened again belong to a task that comes from a checkpoint; and
whether that task still runs, and this is a copy which waits."""


class Opened(NamedTuple):
    """How a file was opened."""

    name: Any
    """As the program said."""
    path: str
    """The same, whatever the working directory is."""
    mode: str
    buffering: int
    newline: str | None


class ReopeningText(io.TextIOWrapper):
    """A text file that knows its place while it is iterated over, too."""

    def __next__(self) -> str:  # type: ignore[override]  # bytes, says its other base
        # the iteration of the base class does not say where it is
        line = self.readline()
        if not line:
            raise StopIteration
        return line


def open(
    file: str | os.PathLike[str],
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    *,
    on_move: Literal["reopen"] = "reopen",
) -> Any:
    """Open a file as the built-in `open` does; when the task moves, it is opened again there.

    The destination must have a file of that path with the same content: a shared file system, or a
    copy.  It is opened at the same position, and never created or truncated.  If it is another one,
    the move is refused.  What a task writes after a move is written to the destination's file.
    """
    if on_move != "reopen":
        raise ValueError(f"on_move is 'reopen', not {on_move!r}")
    name = os.fspath(file)
    opened = Opened(name, os.path.abspath(name), mode, buffering, newline)
    return _opened(opened, name, encoding, errors, None)


def _opened(opened: Opened, name: Any, encoding: Any, errors: Any, opener: Any) -> Any:
    mode, buffering = opened.mode, opened.buffering
    open_: Any = builtins.open
    file: Any
    if "b" in mode:
        file = open_(name, mode, buffering, encoding, errors, opened.newline, opener=opener)
    elif buffering == 0:
        raise ValueError("can't have unbuffered text I/O")
    else:
        size = -1 if buffering == 1 else buffering
        binary = open_(name, f"{mode.replace('t', '')}b", size, opener=opener)
        try:
            by_line = buffering == 1 or binary.isatty()
            coding = io.text_encoding(encoding)
            file = ReopeningText(binary, coding, errors, opened.newline, by_line)
        except BaseException:
            binary.close()
            raise
        file.mode = mode
    setattr(file, _DECLARED, opened)
    return file


# -- moving


def reduce_file(file: Any) -> tuple[Any, ...] | None:
    """How a file is taken apart that `open` has opened; None for others.

    Raises NotMigratable if nobody could open the same file by its name.
    """
    opened: Opened | None = getattr(file, _DECLARED, None)
    if opened is None:
        return None
    text = (file.encoding, file.errors) if isinstance(file, ReopeningText) else (None, None)
    if file.closed:
        return open_again, (tuple(opened), *text, None, None)
    if file.writable():
        file.flush()
    try:
        place = file.tell()
    except (OSError, ValueError) as error:
        raise NotMigratable(f"{opened.path} does not say where it is ({error})") from None
    held = os.fstat(file.fileno())
    if not _is_same(held, opened.path):
        raise NotMigratable(
            f"{opened.path} is not the name of this file any more, or no regular file"
        )
    return open_again, (tuple(opened), *text, place, content_of(opened.path))


def _is_same(held: os.stat_result, path: str) -> bool:
    try:
        named = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(held.st_mode) and os.path.samestat(held, named)


@contextlib.contextmanager
def since_checkpoint(resumed: bool, standby: bool = False) -> Iterator[None]:
    """Whether what is put together meanwhile was kept some time ago, and files may have grown.

    `standby`: the task itself goes on, and no file of its may be touched.
    """
    global _resumed, _standby
    before, (_resumed, _standby) = (_resumed, _standby), (resumed, standby)
    try:
        yield
    finally:
        _resumed, _standby = before


def content_of(path: str, up_to: int | None = None) -> tuple[int, bytes]:
    """The size and a digest of what a file holds, or of its first bytes."""
    digest = hashlib.blake2b(digest_size=16)
    size = 0
    with builtins.open(path, "rb", 0) as file:
        while piece := file.read(_PIECE if up_to is None else min(_PIECE, up_to - size)):
            digest.update(piece)
            size += len(piece)
    return size, digest.digest()


def open_again(
    how: tuple[Any, ...],
    encoding: str | None,
    errors: str | None,
    place: int | None,
    content: tuple[int, bytes] | None,
) -> Any:
    """The file of that name here, where it was left.  Raises NotMigratable if it is another one."""
    opened = Opened(*how)
    if _standby and content is not None and set(opened.mode) & set("wax+"):
        raise NotMigratable(f"{opened.path} is still being written by the task", standby=1)
    if content is None or place is None:
        made = _opened(opened._replace(path=os.devnull), opened.name, encoding, errors, _nothing)
        setattr(made, _DECLARED, opened)
        made.close()
        return made
    try:
        here = content_of(opened.path, content[0] if _resumed else None)
        if here != content:
            raise NotMigratable(
                f"{opened.path} is another file on this machine: hetmig.open is for files which "
                "both machines have"
            )
        made = _opened(
            opened,
            opened.name,
            encoding,
            errors,
            lambda _, flags: os.open(opened.path, flags & ~_GOING),
        )
    except OSError as error:
        raise NotMigratable(f"{opened.path} can't be opened on this machine: {error}") from error
    if _resumed and made.writable():  # what the task has written since, it writes again
        os.truncate(made.fileno(), content[0])
    made.seek(place)
    return made


def _nothing(_: Any, flags: int) -> int:
    return os.open(os.devnull, flags & ~_GOING)
