"""The child processes of the portable tests: one makes a parcel, one loads it, in any version.

    make PROGRAM PARCEL   run the script, freeze what its `make()` gives and its `check`
    load PARCEL           thaw that, and check it
    start PARCEL COUNT    run `portable_job.py` until it has left COUNT times
    go PARCEL COUNT       go on with it

Each prints what it found as the last line, in JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

import hetmig
from hetmig.interpreter import reentry
from hetmig.interpreter.capture import capture
from hetmig.state import image as images
from hetmig.state import parcel
from hetmig.state.manifest import check_python

HERE = Path(__file__).parent
LEFT = 77
"""The exit code of a process whose program goes on elsewhere."""


def make(program, file):
    space = runpy.run_path(program, run_name="__main__")
    values, check = space["make"](), space["check"]
    Path(file).write_bytes(hetmig.dumps((values, check), portable=True))
    return check(values)


def load(file):
    values, check = hetmig.loads(Path(file).read_bytes())
    return check(values)


_root = _file = None
_count = 0


def leave():
    """What the job calls where it may leave."""
    global _count
    _count -= 1
    if _count == 0:
        inner = sys._getframe()
        below = inner.f_back
        while below is not _root and below.f_globals is not vars(reentry):
            below = below.f_back
        stack = capture(inner.f_back, root=below, callee=inner)
        frozen = images.freeze(stack, portable=True)
        parcel.write_file(_file, parcel.seal(frozen.manifest(), frozen.frames, None))
        os._exit(LEFT)


def run(file, count, work):
    global _root, _file, _count
    _root, _file, _count = sys._getframe(), file, int(count)
    return work()


def start(file, count):
    main = sys.modules["__main__"] = ModuleType("__main__")
    program = HERE / "portable_job.py"
    vars(main).update(__file__=str(program))
    exec(compile(program.read_text(), str(program), "exec", dont_inherit=True), vars(main))
    return run(file, count, main.job)


def go(file, count):
    opened = parcel.open_sealed(parcel.read_file(file), None)
    check_python(opened.manifest)
    main = sys.modules["__main__"] = ModuleType("__main__")
    stack, _ = images.thaw(images.Image.of_parcel(opened), main=main)
    work = reentry.prepare(stack)
    return run(file, count, lambda: work(None))


if __name__ == "__main__":
    job, *arguments = sys.argv[1:]
    # as a module: this script's own names are not those of the programs
    found = getattr(importlib.import_module("tests.state.portable_child"), job)(*arguments)
    print(json.dumps(found))
