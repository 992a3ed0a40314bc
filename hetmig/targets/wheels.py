"""Python packages for an interpreter which may be unable to run pip: this one's pip puts them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hetmig.targets.debian import run

__all__ = ["add_wheels"]

_PURE = ("--platform=any", "--implementation=py", "--abi=none")


def add_wheels(
    wheels: Sequence[str], site: Path, version: str, platform: Sequence[str] = _PURE
) -> None:
    """Put `wheels`, and nothing that they depend on, into the directory `site`.

    `version` is that of the Python to be; `platform` are pip's options which say what it can load:
    pure Python, unless others are given.  Raises TargetUnavailable.
    """
    options = ["--no-deps", "--only-binary=:all:", f"--python-version={version}", *platform]
    run("wheels", [sys.executable, "-m", "pip", "install", "-q", *options, "-t", site, *wheels])
