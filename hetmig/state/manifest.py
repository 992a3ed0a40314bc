"""What a parcel says about itself in plain JSON, readable before (and without) unpickling."""

from __future__ import annotations

import functools
import importlib.util
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hetmig.errors import UnsupportedFormat, VersionMismatch

__all__ = [
    "check_python",
    "encoded",
    "is_portable",
    "make_manifest",
    "same_minor",
    "this_python",
    "value_manifest",
]

FORMAT = 3
KINDS = ("frames", "call", "value", "script")


def this_python() -> dict[str, Any]:
    """This interpreter and machine, as a manifest names them."""
    return dict(_this_python())


@functools.cache
def _this_python() -> dict[str, Any]:
    return {
        "implementation": sys.implementation.name,
        "version": platform.python_version(),
        "magic": importlib.util.MAGIC_NUMBER.hex(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "byteorder": sys.byteorder,
        "machine": platform.machine(),
        "system": platform.system(),
    }


def make_manifest(
    kind: str,
    frames: Sequence[Mapping[str, Any]],
    buffers: int,
    task: Mapping[str, Any] | None = None,
    *,
    portable: bool = False,
) -> dict[str, Any]:
    """The manifest of an image of this interpreter.

    `kind` is "frames", "call", "value" or "script"; `frames` describes the activations, outermost
    first; `buffers` is the number of payload frames; `task` is the node's own record; `portable`:
    every supported version of Python can read it, else this minor version only.
    """
    if kind not in KINDS:
        raise ValueError(f"no such kind of image: {kind!r}")
    return {
        "format": FORMAT,
        "kind": kind,
        "python": this_python(),
        "frames": [dict(frame) for frame in frames],
        "buffers": buffers,
        "task": dict(task or {}),
        "portable": portable,
    }


@functools.cache
def value_manifest(portable: bool) -> bytes:
    """The manifest of a value that is in no task, as text: no more than `check_python` asks for.

    The same for all such values of this interpreter, so whoever finds it needs to read no further.
    """
    about = ("implementation", "version") if portable else ("implementation", "version", "magic")
    python = {name: this_python()[name] for name in about}
    more = {"portable": True} if portable else {}
    return encoded({"format": FORMAT, "kind": "value", "python": python, **more})


def is_portable(manifest: Mapping[str, Any]) -> bool:
    """Whether every supported version of Python can read what the manifest announces."""
    return manifest.get("portable") is True


def encoded(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as text."""
    return json.dumps(manifest, separators=(",", ":")).encode()


def check_python(manifest: Mapping[str, Any]) -> None:
    """Raise `VersionMismatch` unless this Python can read what the manifest announces.

    Bytecode of another version would crash the process: call this before unpickling.  What is
    portable contains none.
    Raises `UnsupportedFormat` if the manifest is none of ours.
    """
    theirs = manifest.get("python")
    if manifest.get("format") != FORMAT or manifest.get("kind") not in KINDS:
        raise UnsupportedFormat("the parcel's manifest is of a format this hetmig does not read")
    if not isinstance(theirs, dict):
        raise UnsupportedFormat("the parcel's manifest does not say which Python made it")
    here = this_python()
    if not is_portable(manifest) and not same_minor(theirs, here):
        raise VersionMismatch(
            f"the state comes from {_name(theirs)}, this is {_name(here)}: both sides need the "
            "same implementation and minor version, unless it is frozen with portable=True",
            needed=_name(theirs),
            present=_name(here),
        )


def same_minor(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two Pythons, as `this_python` describes them, have the same bytecode."""
    same = all(one.get(item) == other.get(item) for item in ("implementation", "magic"))
    return same and _minor(one.get("version")) == _minor(other.get("version"))


def _minor(version: object) -> list[str]:
    return str(version).split(".")[:2]


def _name(python: Mapping[str, Any]) -> str:
    return f"{python.get('implementation')} {python.get('version')}"
