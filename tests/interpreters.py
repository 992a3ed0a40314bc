"""The interpreters which tests run code in, besides the one that runs the tests.

`target("s390x")` and `target("3.13")` give an interpreter with what a node needs, made on first
use; where it can not be made the test is skipped, and the skip says which and why.
"""

from __future__ import annotations

import os
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from hetmig.errors import TargetUnavailable
from hetmig.targets import TARGETS, make
from hetmig.targets.debian import run
from hetmig.targets.store import once, place

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
FREE_THREADED = "3.13t"
"""The one without GIL; Debian has none, so it is used where somebody has installed it."""
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
if "free-threading" in sys.version:
    RUNNING += "t"


def target(name: str) -> Path:
    """Return the interpreter called `name` in hetmig.targets.TARGETS, or skip the test."""
    if name == RUNNING:
        return Path(sys.executable)
    python, reason = _made(name)
    if python is None:
        pytest.skip(reason)
    return python


@cache
def _made(name: str) -> tuple[Path | None, str]:
    try:
        return make(name, progress=lambda line: print(line, file=sys.stderr)), ""
    except TargetUnavailable as error:
        return None, str(error)


def with_pytest(name: str) -> tuple[Path, dict[str, str]]:
    """Return the interpreter `name` and the environment in which it can run this project's tests.

    Skips the test if the interpreter, or what the tests need in it, can not be had.
    """
    python = target(name)
    path, reason = _test_requirements(name, python)
    if path is None:
        pytest.skip(reason)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), str(path)]))
    return python, environment


@cache
def _test_requirements(name: str, python: Path) -> tuple[Path | None, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["optional-dependencies"]["test"]
    directory = place(f"testing-{name}")

    def build(directory: Path) -> None:
        # pure Python for that version, by this one's pip: it may be too old to run in that one
        pure = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none"]
        options = [*pure, f"--python-version={TARGETS[name].version.rstrip('t')}", "-t", directory]
        run("test requirements", [sys.executable, "-m", "pip", "install", "-q", *options, *wanted])

    try:
        once(directory, {"python": str(python), "wanted": wanted}, build)
    except TargetUnavailable as error:
        return None, f"target {name}: {error}"
    return directory, ""
