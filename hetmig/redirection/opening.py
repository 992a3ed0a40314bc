"""`hetmig.open` and `hetmig.files`: what becomes of a file when its task moves, by policy."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import warnings
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, TypeAlias

from hetmig.redirection.layers import BUFFERED, Text
from hetmig.redirection.raw import LocalRaw

__all__ = ["POLICIES", "files", "open", "policy_of_task"]

Policy: TypeAlias = Literal["home", "reopen", "carry", "refuse"]
POLICIES: tuple[Policy, ...] = ("home", "reopen", "carry", "refuse")

_plain_open: Any = builtins.open
_block: ContextVar[str | None] = ContextVar("hetmig_files", default=None)
_of_task: str | None = None
_LARGEST_BUFFER = 8 << 20
_NO_LINES = (
    "line buffering (buffering=1) isn't supported in binary mode, the default buffer size will be "
    "used"
)


def checked(policy: str) -> str:
    """Raise ValueError for what is no policy."""
    if policy not in POLICIES:
        raise ValueError(f"policy is one of {', '.join(POLICIES)}, not {policy!r}")
    return policy


def policy_of_task(policy: str | None) -> None:
    """From now on this is the policy of all files that the task opens; None: of none."""
    global _of_task
    _of_task = None if policy is None else checked(policy)
    if policy is not None:
        install()


def default_policy() -> str | None:
    """The policy for a file that says nothing of it."""
    return _block.get() or _of_task


def install() -> None:
    """Let the built-in `open` ask for the policy: a file that says nothing of it has the task's."""
    if builtins.open is _plain_open:
        builtins.open = io.open = _open_by_default


class files(contextlib.ContextDecorator):
    """In this block all files are opened with that policy: `with hetmig.files("home"):`.

    Those of the built-in `open` as well, and of all that calls it, such as `pathlib`.  A file that
    was opened in the block keeps its policy behind it.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = checked(policy)
        self._tokens: list[Token[str | None]] = []

    def __enter__(self) -> files:
        install()
        self._tokens.append(_block.set(self._policy))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _block.reset(self._tokens.pop())

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        install()  # it arrives in another process


def open(
    file: str | bytes | os.PathLike[Any],
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    *,
    policy: Policy | None = None,
) -> Any:
    """Open a file as the built-in `open` does; it goes on working when the task has moved.

    `policy` says how.  "home", the default: it stays open at this node, and is read and written
    there, from wherever the task is.  "reopen": it is opened again by its name where the task goes,
    which must have the same file.  "carry": its content goes along; what is written after a move
    does not reach the original.  "refuse": the task does not move while it is open.
    """
    chosen = checked(policy) if policy is not None else default_policy() or "home"
    return _opened(file, mode, buffering, encoding, errors, newline, chosen)


def _open_by_default(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """The built-in `open` of a task."""
    policy = default_policy()
    if policy in (None, "refuse") or not closefd or opener is not None or isinstance(file, int):
        return _plain_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    return _opened(file, mode, buffering, encoding, errors, newline, policy)


_open_by_default.__name__ = _open_by_default.__qualname__ = "open"
_open_by_default.__module__ = "io"


def _opened(
    file: Any,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    policy: str,
) -> Any:
    kinds = set(mode) & set("xrwa") if isinstance(mode, str) else set()
    is_text = "b" not in mode if isinstance(mode, str) else False
    is_strange = (
        len(kinds) != 1
        or len(mode) != len(set(mode))
        or not set(mode) <= set("xrwabt+")
        or ({"b", "t"} <= set(mode))
        or (not is_text and (encoding, errors, newline) != (None, None, None))
    )
    if is_strange:  # it knows best what to say
        return _plain_open(file, mode, buffering, encoding, errors, newline)
    if buffering == 0 and is_text:
        raise ValueError("can't have unbuffered text I/O")
    if buffering == 1 and not is_text:
        warnings.warn(_NO_LINES, RuntimeWarning, 3)
        buffering = -1
    name = os.fspath(file)
    path = os.path.abspath(os.fsdecode(name))
    raw = LocalRaw(name, mode.replace("b", "").replace("t", ""), policy, path)
    try:
        return _layers(raw, mode, buffering, (encoding, errors, newline) if is_text else None)
    except BaseException:
        raw.close()
        raise


def _layers(raw: LocalRaw, mode: str, buffering: int, coding: tuple[str | None, ...] | None) -> Any:
    """What the built-in `open` puts above a raw file."""
    if buffering == 0:
        return raw
    by_line = buffering == 1 or (buffering < 0 and raw.isatty())
    size = buffering
    if size < 0 or by_line:
        best = getattr(raw, "_blksize", 0) or 0
        size = max(min(best, _LARGEST_BUFFER), io.DEFAULT_BUFFER_SIZE)
    kind = "Random" if "+" in mode else "Reader" if "r" in mode else "Writer"
    buffered = BUFFERED[kind](raw, size)
    if coding is None:
        return buffered
    encoding, errors, newline = coding
    text = Text(buffered, io.text_encoding(encoding, 4), errors, newline, by_line)
    text.mode = mode  # type: ignore[misc]  # it can be set, and the built-in does so
    return text
