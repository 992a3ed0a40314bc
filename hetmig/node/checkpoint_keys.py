"""The secrets that authenticate checkpoints: one of our own, and those of others we believe.

They lie in the key directory, readable by their owner only:

    checkpoint.key_secret       our own, with which we seal; made at first use
    checkpoint-*.key_secret     of other machines, or our own from earlier on
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from hetmig.errors import HetmigError
from hetmig.state.checkpoint import FindKey, derived, fingerprint

__all__ = ["OWN", "finder", "finder_of", "own_secret", "read_secret"]

OWN = "checkpoint.key_secret"
_OTHERS = "checkpoint-*.key_secret"
_BYTES = 32


def own_secret(directory: str | os.PathLike[str]) -> bytes:
    """The secret of this key directory.  Raises HetmigError if it can be neither read nor made."""
    file = Path(directory, OWN)
    if not file.exists():
        _make(file)
    return read_secret(file)


def _make(file: Path) -> None:
    """Whole at once, and never over another: two processes may be here for the first time."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_hex(_BYTES) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(partial, file)
        finally:
            partial.unlink()
    except OSError as error:
        raise HetmigError(f"the key of checkpoints {file} cannot be made: {error}") from error


def read_secret(file: str | os.PathLike[str]) -> bytes:
    """A secret out of its file.  Raises HetmigError."""
    try:
        secret = bytes.fromhex(Path(file).read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise HetmigError(f"the key of checkpoints {file} cannot be read: {error}") from error
    if len(secret) != _BYTES:
        raise HetmigError(f"{file} is no key of checkpoints: those have {_BYTES} bytes")
    return secret


def finder(
    directory: str | os.PathLike[str], more: Sequence[str | os.PathLike[str]] = ()
) -> FindKey:
    """Finds keys by all the secrets of a key directory, and those in `more` files."""
    own = Path(directory, OWN)
    files = [*([own] if own.exists() else []), *sorted(Path(directory).glob(_OTHERS)), *more]
    return finder_of([read_secret(file) for file in files])


def finder_of(known: Sequence[bytes]) -> FindKey:
    """Finds keys by these secrets."""

    def find(series: str, known_as: str) -> bytes | None:
        for secret in known:
            key = derived(secret, series)
            if fingerprint(key) == known_as:
                return key
        return None

    return find
