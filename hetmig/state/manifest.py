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

__all__ = ["check_python", "encoded", "make_manifest", "this_python", "value_manifest"]

FORMAT = 3
KINDS = ("frames", "call", "value", "script")


def this_python() -> dict[str, Any]:
    """This interpreter and machine, as a manifest names them."""
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
) -> dict[str, Any]:
    """The manifest of an image of this interpreter.

    `kind` is "frames", "call", "value" or "script"; `frames` describes the activations, outermost
    first; `buffers` is the number of payload frames; `task` is the node's own record.
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
    }


@functools.cache
def value_manifest() -> bytes:
    """The manifest of a value that is in no task, as text: no more than `check_python` asks for.

    The same for all such values of this interpreter, so whoever finds it needs to read no further.
    """
    python = {name: this_python()[name] for name in ("implementation", "version", "magic")}
    return encoded({"format": FORMAT, "kind": "value", "python": python})


def encoded(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as text."""
    return json.dumps(manifest, separators=(",", ":")).encode()


def check_python(manifest: Mapping[str, Any]) -> None:
    """Raise `VersionMismatch` unless this Python runs the bytecode which the manifest announces.

    Bytecode of another version would crash the process: call this before unpickling.
    Raises `UnsupportedFormat` if the manifest is none of ours.
    """
    theirs = manifest.get("python")
    if manifest.get("format") != FORMAT or manifest.get("kind") not in KINDS:
        raise UnsupportedFormat("the parcel's manifest is of a format this hetmig does not read")
    if not isinstance(theirs, dict):
        raise UnsupportedFormat("the parcel's manifest does not say which Python made it")
    here = this_python()
    if any(theirs.get(item) != here[item] for item in ("implementation", "magic")) or (
        _minor(theirs.get("version")) != _minor(here["version"])
    ):
        raise VersionMismatch(
            f"the state comes from {_name(theirs)}, this is {_name(here)}: both sides need the "
            "same implementation and minor version",
            needed=_name(theirs),
            present=_name(here),
        )


def _minor(version: object) -> list[str]:
    return str(version).split(".")[:2]


def _name(python: Mapping[str, Any]) -> str:
    return f"{python.get('implementation')} {python.get('version')}"
