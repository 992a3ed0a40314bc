"""Where made things are kept, so that each is made once, wholly, and by one process at a time."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["holds", "once", "place"]

_STAMP = "made.json"


def place(name: str) -> Path:
    """Return the directory of the thing called `name`, whether it is made yet or not.

    `HETMIG_TARGETS` says where, else it is hetmig/targets in the user's cache directory.
    """
    chosen = os.environ.get("HETMIG_TARGETS")
    if chosen:
        return Path(chosen).absolute() / name
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "hetmig" / "targets" / name


def holds(directory: Path, recipe: Mapping[str, Any]) -> bool:
    """Tell whether `directory` was made to the end, and from this very recipe."""
    try:
        made = json.loads((directory / _STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(made == _as_json(recipe))


def once(directory: Path, recipe: Mapping[str, Any], build: Callable[[Path], None]) -> None:
    """Have `build` fill `directory`, unless it already did so from the same recipe.

    The stamp is written last: what was interrupted, or made from another recipe, is thrown away
    and made again.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _alone(directory):
        if holds(directory, recipe):
            return
        if directory.exists():
            (directory / _STAMP).unlink(missing_ok=True)
            shutil.rmtree(directory)
        directory.mkdir()
        build(directory)
        unfinished = directory / f".{_STAMP}"
        unfinished.write_text(json.dumps(recipe), "utf-8")
        unfinished.replace(directory / _STAMP)


def _as_json(recipe: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(recipe))


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other processes from making the same thing meanwhile; they wait."""
    if sys.platform == "win32":  # where only virtual environments are made
        yield
    else:
        import fcntl

        with open(directory.with_name(f".{directory.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
