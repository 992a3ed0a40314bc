"""CPython on WebAssembly: Pyodide from npm, run by Node through `pyodide.mjs`."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hetmig.errors import TargetUnavailable
from hetmig.targets.debian import run
from hetmig.targets.recipes import WHEELS, PyodidePython
from hetmig.targets.wheels import add_wheels

__all__ = ["build", "recipe"]

_RUNNER = Path(__file__).with_name("pyodide.mjs")


def recipe(target: PyodidePython, place: Path) -> Mapping[str, Any]:
    """What the target is made from."""
    # the wrapper names absolute paths, and the runner is a copy
    runner = hashlib.sha256(_RUNNER.read_bytes()).hexdigest()
    fields = dataclasses.asdict(target)
    return {**fields, "wheels": list(WHEELS), "runner": runner, "place": str(place)}


def build(target: PyodidePython, directory: Path) -> Path:
    """Fill `directory`; return the interpreter.  Raises TargetUnavailable."""
    node = shutil.which("node")
    if node is None or not shutil.which("npm"):
        raise TargetUnavailable("there are no node and npm here: Pyodide runs in Node")
    (directory / "package.json").write_text('{"private": true}\n', "utf-8")
    options = ["--silent", "--no-fund", "--no-audit", "--no-save", "--ignore-scripts"]
    package = f"pyodide@{target.release}"
    run("npm's pyodide", ["npm", "install", *options, "--prefix", directory, package])
    add_wheels(WHEELS, directory / "site-packages", target.version)
    shutil.copy(_RUNNER, directory / _RUNNER.name)
    wrapper = directory / "bin" / "python"
    wrapper.parent.mkdir()
    command = shlex.join([node, str(directory / _RUNNER.name), str(directory), str(wrapper)])
    wrapper.write_text(f'#!/bin/sh\n# Pyodide, made by hetmig.targets\nexec {command} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper
