"""Runs a piece of Python in a fresh process, the way state arrives at another machine."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]

THAW = """
import sys
from types import ModuleType
from hetmig.state import parcel
from hetmig.state.image import Image, thaw

def arrive(path):
    main = sys.modules["__main__"] = ModuleType("__main__")
    return thaw(Image.of_parcel(parcel.open_sealed(parcel.read_file(path), None)), main=main)
"""

SEND = """
from hetmig.state import image as images, parcel

def send(path, image):
    parcel.write_file(path, parcel.seal(image.manifest(), image.frames, None))
"""


def run(program: str, *arguments: object, cwd: Path | None = None) -> str:
    """The output of `program`, whose warnings are errors and which must end well."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr, ended.stderr
    return ended.stdout


def run_script(path: Path, program: str, *arguments: object) -> str:
    """The same for a script file, whose `__main__` has a `__file__` and a loader."""
    path.write_text(textwrap.dedent(program))
    return run(
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')",
        path,
        *arguments,
    )
