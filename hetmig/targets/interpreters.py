"""The CPython interpreters of other versions which this machine already has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["find_interpreter"]

_WHO = """
import sys
free_threaded = "t" if "free-threading" in sys.version else ""
print(sys.implementation.name, "%d.%d" % sys.version_info[:2] + free_threaded)
print(getattr(sys, "_base_executable", sys.executable))
"""


@cache
def find_interpreter(version: str) -> Path | None:
    """Return an installed CPython of `version` ("3.12", or "3.13t" without GIL), or None.

    Looks at the running interpreter, at PATH, and where pyenv, uv and CI machines keep theirs.
    Each is asked who it is: a launcher that leads nowhere does not count, and for a virtual
    environment the interpreter behind it is returned.
    """
    for candidate in _candidates(version):
        interpreter = _ask(candidate, version)
        if interpreter is not None:
            return interpreter
    return None


def _candidates(version: str) -> Iterator[Path]:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        yield Path(sys.executable)
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(f"python{version}", path=directory)
        if found:
            yield Path(found)
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)
    uv = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share")) / "uv" / "python"
    yield from sorted(uv.glob(f"cpython-{version}.*/bin/python"), reverse=True)
    for tools in ("RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY"):
        if tools in os.environ:
            kept = Path(os.environ[tools]) / "Python"
            yield from sorted(kept.glob(f"{version}.*/*/bin/python"), reverse=True)


def _ask(candidate: Path, version: str) -> Path | None:
    try:
        answer = subprocess.run(
            [candidate, "-c", _WHO],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    who, _, executable = answer.stdout.partition("\n")
    return Path(executable.strip()) if who == f"cpython {version}" else None
