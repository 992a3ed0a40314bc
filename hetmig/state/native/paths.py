"""`pathlib`: paths by their flavour, not by the module that a Python version keeps them in.

A pure path is text with rules, and the same everywhere.  A concrete one stands for files: a
relative path arrives as a path of the destination's system; an absolute one of another kind of
system leads nowhere, and is refused.
"""

from __future__ import annotations

import pathlib
from typing import Any

from hetmig.errors import NotMigratable

__all__ = ["REDUCERS", "concrete_path", "pure_path"]

_FLAVOURS: dict[str, type[pathlib.PurePath]] = {
    "posix": pathlib.PurePosixPath,
    "windows": pathlib.PureWindowsPath,
}


def _flavour(path: pathlib.PurePath) -> str:
    return next(name for name, cls in _FLAVOURS.items() if isinstance(path, cls))


def _reduce_pure(pickler: Any, path: pathlib.PurePath) -> Any:
    return pure_path, (_flavour(path), str(path))


def _reduce_concrete(pickler: Any, path: pathlib.Path) -> Any:
    return concrete_path, (_flavour(path), str(path))


def pure_path(flavour: str, text: str) -> pathlib.PurePath:
    """A path without files."""
    return _FLAVOURS[flavour](text)


def concrete_path(flavour: str, text: str) -> pathlib.Path:
    """A path of this system.  Raises NotMigratable for what leads nowhere here."""
    path = _FLAVOURS[flavour](text)
    here = pathlib.Path(*path.parts) if not path.anchor else pathlib.Path(text)
    if path.anchor and not isinstance(here, _FLAVOURS[flavour]):
        raise NotMigratable(
            f"{text} is an absolute path of another kind of system: use a relative one, or "
            "pathlib's pure paths"
        )
    return here


REDUCERS: dict[type, Any] = {
    pathlib.PurePosixPath: _reduce_pure,
    pathlib.PureWindowsPath: _reduce_pure,
    type(pathlib.Path()): _reduce_concrete,
}
