"""Makes a target by its recipe: fetch, unpack, add the wheels, write a wrapper, try it."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hetmig.errors import TargetUnavailable
from hetmig.targets import pyodide, store, windows
from hetmig.targets.debian import fetch, run, unpack
from hetmig.targets.interpreters import find_interpreter
from hetmig.targets.recipes import (
    ARCHITECTURES,
    QEMU_SUITE,
    TARGETS,
    WHEELS,
    DebianPython,
    LocalPython,
    PyodidePython,
    Target,
    WindowsPython,
    host_architecture,
)
from hetmig.targets.wheels import add_wheels

__all__ = ["available", "make"]

Progress = Callable[[str], None]

_RUNS_NATIVELY = {("amd64", "amd64"), ("amd64", "i386"), ("arm64", "arm64")}
"""(host, target) pairs that need no emulator."""

# Importing what a node needs proves the target, and leaves its bytecode cached: compiling it
# anew under emulation would take seconds at each start.
_TRIAL = """
import asyncio, argparse, concurrent.futures, ctypes, json, logging, platform, sys
import bytecode, cloudpickle, dill
if sys.platform != "emscripten":
    import zmq, zmq.asyncio, zmq.auth.asyncio
    assert zmq.has("curve"), "its ZeroMQ has no CURVE"
version = "%d.%d" % sys.version_info[:2] + ("t" if "free-threading" in sys.version else "")
print(json.dumps([version, platform.machine(), sys.byteorder]))
"""


def available(name: str) -> Path | None:
    """Return the interpreter of target `name` if it has been made here, else None.

    Raises TargetUnavailable if there is no target of that name.
    """
    target = _named(name)
    if isinstance(target, LocalPython):
        python = find_interpreter(target.version)
        if python is None:
            stand_in = _stand_in(target)
            return available(stand_in) if stand_in else None
        directory, recipe = store.place(name), _local_recipe(python)
    else:
        directory, recipe = store.place(name), _recipe(target)
    return _executable(directory) if store.holds(directory, recipe) else None


def make(name: str, progress: Progress | None = None) -> Path:
    """Make target `name` unless that is done already; return its interpreter.

    `progress` is called with one line of text per step.  What is made stays in the cache
    directory; made once, it needs no network.  An interrupted making is begun anew.
    Raises TargetUnavailable, saying what is missing, if it can not be made here.
    """
    target = _named(name)
    made = available(name)
    if made is not None:
        return made
    tell = progress or (lambda line: None)
    try:
        if isinstance(target, LocalPython):
            return _make_local(target, tell)
        if isinstance(target, DebianPython):
            return _make_debian(target, tell)
        return _make_another(target, tell)
    except (TargetUnavailable, OSError) as error:
        raise TargetUnavailable(f"target {name}: {error}", target=name) from None


def _named(name: str) -> Target:
    if name not in TARGETS:
        raise TargetUnavailable(f"no target is called {name!r}: one of {', '.join(TARGETS)}")
    return TARGETS[name]


def _executable(directory: Path) -> Path:
    return directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _recipe(target: DebianPython | PyodidePython | WindowsPython) -> Mapping[str, Any]:
    if isinstance(target, DebianPython):
        return _debian_recipe(target)
    if isinstance(target, PyodidePython):
        return pyodide.recipe(target, store.place(target.name))
    return windows.recipe(target, store.place(target.name))


# A virtual environment around an interpreter that is here


def _local_recipe(python: Path) -> Mapping[str, Any]:
    return {"python": str(python), "wheels": [*WHEELS, "pyzmq>=24"]}


def _stand_in(target: LocalPython) -> str | None:
    """Name Debian's interpreter of the same version for this CPU."""
    name = f"{host_architecture()}-{target.version}"
    return name if name in TARGETS else None


def _make_local(target: LocalPython, tell: Progress) -> Path:
    python = find_interpreter(target.version)
    if python is None:
        stand_in = _stand_in(target)
        if stand_in is None:
            raise TargetUnavailable(f"there is no CPython {target.version} here: install one")
        return make(stand_in, tell)
    recipe = _local_recipe(python)

    def build(directory: Path) -> None:
        tell(f"{target.name}: a virtual environment of {python}")
        run("virtual environment", [python, "-m", "venv", directory])
        inside = _executable(directory)
        tell(f"{target.name}: {' '.join(recipe['wheels'])}")
        pip = ["-m", "pip", "install", "-q", "--prefer-binary"]
        run("wheels", [inside, *pip, *recipe["wheels"]])
        _try(target, inside, tell)

    directory = store.place(target.name)
    store.once(directory, recipe, build)
    return _executable(directory)


# Debian's, for any CPU


def _debian_recipe(target: DebianPython) -> Mapping[str, Any]:
    emulator = None if _is_native(target) else str(_emulator(target))
    # The wrapper names absolute paths, so a target that was moved is no longer the same.
    place = str(store.place(target.name))
    packages, wheels = list(target.packages), list(WHEELS)
    fields = dataclasses.asdict(target)
    return {**fields, "packages": packages, "wheels": wheels, "qemu": emulator, "place": place}


def _make_debian(target: DebianPython, tell: Progress) -> Path:
    if not _is_native(target):
        _make_emulators(tell)

    def build(directory: Path) -> None:
        root = directory / "root"
        _fetch_and_unpack(
            target.packages, target.architecture, target.suite, root, _is_python, tell
        )
        # CPython finds its library beside its own path: this spares PYTHONHOME, which the
        # target's children would inherit.
        (directory / "lib").symlink_to("root/usr/lib")
        tell(f"{target.name}: {' '.join(WHEELS)}")
        # where the target looks before Debian's own packages
        site = directory / "local" / "lib" / f"python{target.version}" / "dist-packages"
        add_wheels(WHEELS, site, target.version)
        wrapper = directory / "bin" / "python"
        wrapper.parent.mkdir()
        wrapper.write_text(_wrapper(target, wrapper, root))
        wrapper.chmod(0o755)
        _try(target, wrapper, tell)

    directory = store.place(target.name)
    store.once(directory, _debian_recipe(target), build)
    return _executable(directory)


def _is_python(path: str) -> bool:
    return path.startswith(("usr/lib/", "usr/lib64/", "usr/bin/python3."))


def _fetch_and_unpack(
    packages: tuple[str, ...],
    architecture: str,
    suite: str,
    root: Path,
    keep: Callable[[str], bool],
    tell: Progress,
) -> None:
    tell(f"{root.parent.name}: fetching {' '.join(packages)} of Debian {suite} for {architecture}")
    with tempfile.TemporaryDirectory(prefix="hetmig-target-") as scratch:
        files = fetch(packages, architecture, suite, Path(scratch))
        size = sum(file.stat().st_size for file in files)
        tell(f"{root.parent.name}: unpacking {len(files)} packages, {size / 1e6:.0f} MB")
        unpack(files, root, keep)


def _wrapper(target: DebianPython, wrapper: Path, root: Path) -> str:
    """Return the shell script that runs the target as if it were any interpreter."""
    cpu = ARCHITECTURES[target.architecture]
    executable = str(root / "usr" / "bin" / f"python{target.version}")
    if _is_native(target):
        libraries = f"{root}/usr/lib/{cpu.libraries}:{root}/usr/lib"
        loader = [str(root / str(cpu.loader)), "--inhibit-cache", "--argv0", str(wrapper)]
        command = [*loader, "--library-path", libraries, executable]
        if target.architecture == "i386" and shutil.which("setarch"):
            command = ["setarch", "i686", *command]  # platform.machine() tells the truth
    else:
        command = [str(_emulator(target)), "-L", str(root), "-0", str(wrapper), executable]
    # -s: the user's own site directory holds the host's binaries.
    return (
        "#!/bin/sh\n"
        f"# CPython {target.version} for {target.architecture}, made by hetmig.targets\n"
        "unset PYTHONHOME\n"
        f'exec {shlex.join(command)} -s "$@"\n'
    )


def _is_native(target: DebianPython) -> bool:
    return (host_architecture(), target.architecture) in _RUNS_NATIVELY


def _emulator(target: DebianPython) -> Path:
    suffix = ARCHITECTURES[target.architecture].qemu
    return store.place("qemu-user") / "root" / "usr" / "bin" / f"qemu-{suffix}"


def _make_emulators(tell: Progress) -> None:
    wanted = {f"usr/bin/qemu-{cpu.qemu}" for cpu in ARCHITECTURES.values()}
    host = host_architecture()
    recipe = {"suite": QEMU_SUITE, "host": host, "files": sorted(wanted)}

    def build(directory: Path) -> None:
        root = directory / "root"
        keep = wanted.__contains__
        _fetch_and_unpack(("qemu-user",), host, QEMU_SUITE, root, keep, tell)

    store.once(store.place("qemu-user"), recipe, build)


# What is neither


def _make_another(target: PyodidePython | WindowsPython, tell: Progress) -> Path:
    def build(directory: Path) -> None:
        tell(f"{target.name}: fetching it")
        if isinstance(target, PyodidePython):
            python = pyodide.build(target, directory)
        else:
            python = windows.build(target, directory)
        _try(target, python, tell)

    directory = store.place(target.name)
    store.once(directory, _recipe(target), build)
    return _executable(directory)


def _try(target: Target, python: Path, tell: Progress) -> None:
    """Run the new interpreter, from a directory where nothing can be imported by accident."""
    tell(f"{target.name}: trying it")
    output = run("it was made but does not run", [python, "-I", "-c", _TRIAL], timeout=300)
    version, machine, order = json.loads(output.splitlines()[-1])
    if version != target.version:
        raise TargetUnavailable(f"it is {version}, not {target.version}")
    tell(f"{target.name}: CPython {version} on {machine}, {order} endian")
