"""Debian packages of any CPU, fetched and unpacked by an ordinary user.

apt-get resolves and verifies; its lists, its cache and its idea of what is installed (nothing)
are a private directory.  No maintainer script runs and nothing is installed on the host.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from hetmig.errors import TargetUnavailable

__all__ = ["fetch", "run", "unpack"]

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_APT = Path("/etc/apt")
_ANY_MIRROR = "http://deb.debian.org/debian"
_MERGED = ("bin", "lib", "lib64", "sbin")
"""Top directories which are links into usr."""


def run(what: str, command: Sequence[str | Path], *, timeout: float = 900) -> str:
    """Run `command` and return what it printed.

    Raises TargetUnavailable, with the last lines of its output, if it is missing, fails or takes
    longer than `timeout` seconds.
    """
    environment = dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise TargetUnavailable(f"{what}: there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise TargetUnavailable(f"{what}: no end after {timeout:.0f} s") from None
    if done.returncode:
        raise TargetUnavailable(f"{what}: {_gist(done.stdout) or f'exit {done.returncode}'}")
    return done.stdout


def _gist(output: str) -> str:
    """Pick what explains a failure: apt's own errors and warnings, else the last lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(E|W|ERROR|error):", line)]
    return "; ".join((named or lines)[-4:])


def fetch(packages: Sequence[str], architecture: str, suite: str, scratch: Path) -> list[Path]:
    """Download packages and what they depend on into `scratch`; return the package files."""
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise TargetUnavailable(f"there is no {tool} here: foreign roots come from Debian")
    if not _KEYRING.exists():
        raise TargetUnavailable(f"{_KEYRING} is missing: install debian-archive-keyring")
    apt = ["apt-get", "-q", "-c", str(_configure(architecture, suite, scratch))]
    run(f"list of packages of Debian {suite} for {architecture}", [*apt, "update"])
    run(f"packages {' '.join(packages)}", [*apt, "install", "--download-only", *packages])
    return sorted((scratch / "archives").glob("*.deb"))


def _configure(architecture: str, suite: str, scratch: Path) -> Path:
    """Write the private configuration of apt.  The host's own is read before, for its proxies."""
    for directory in ("lists/partial", "archives/partial"):
        (scratch / directory).mkdir(parents=True)
    (scratch / "status").touch()
    sources = scratch / "sources.list"
    sources.write_text(f"deb [arch={architecture} signed-by={_KEYRING}] {_mirror()} {suite} main\n")
    settings = {
        "APT::Architecture": architecture,
        "APT::Install-Recommends": "false",
        "APT::Get::Assume-Yes": "true",
        "APT::Sandbox::User": "root",  # the user _apt could not write below a home directory
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",
        "Dir::State": scratch,
        "Dir::State::Lists": scratch / "lists",
        "Dir::State::Status": scratch / "status",
        "Dir::Cache": scratch,
        "Dir::Cache::Archives": scratch / "archives",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
    }
    cleared = [
        "APT::Architectures",  # the host's own would be looked for too
        "APT::Update::Pre-Invoke",
        "APT::Update::Post-Invoke",
        "APT::Update::Post-Invoke-Success",
        "DPkg::Pre-Install-Pkgs",
    ]
    lines = [f"#clear {key};\n" for key in cleared]
    lines += [f'{key} "{value}";\n' for key, value in settings.items()]
    configuration = scratch / "apt.conf"
    configuration.write_text("".join(lines))
    return configuration


def _mirror() -> str:
    """Return the Debian mirror this host is set up with, else Debian's own."""
    for file in (*sorted(_APT.glob("sources.list.d/*")), _APT / "sources.list"):
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        for line in text.splitlines():
            if re.match(r"(deb|URIs:)\s", line):
                found = re.search(r"\bhttps?://\S*/debian(?=/?(\s|$))", line)
                if found:
                    return found[0]
    return _ANY_MIRROR


def unpack(packages: Sequence[Path], root: Path, keep: Callable[[str], bool]) -> None:
    """Unpack package files below `root`, where `keep` says so of the path (`usr/...`)."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        _unpack_one(package, root, keep)


def _unpack_one(package: Path, root: Path, keep: Callable[[str], bool]) -> None:
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                # Older 3.11 has no filters; packages are signed, so it is a second bolt only.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(root, members=_relocated(archive, keep))
        except tarfile.TarError as error:
            raise TargetUnavailable(f"{package.name}: {error}") from None
    if process.returncode:
        raise TargetUnavailable(f"{package.name}: dpkg-deb could not read it")


def _relocated(archive: tarfile.TarFile, keep: Callable[[str], bool]) -> Iterator[tarfile.TarInfo]:
    """Yield the members to unpack, moved into usr, with links that stay inside the root."""
    for member in archive:
        member.name = _merged(member.name)
        if member.isdir() or not keep(member.name):
            continue  # directories come into being with what is in them
        if member.islnk():
            member.linkname = _merged(member.linkname)
        elif member.issym() and member.linkname.startswith("/"):
            # An absolute link would lead out of the root, to a file of the host.
            target = _merged(member.linkname)
            if not keep(target):
                continue
            member.linkname = posixpath.relpath(target, posixpath.dirname(member.name))
        yield member


def _merged(path: str) -> str:
    """Return a package's path as it is on a system whose /bin, /lib, ... are links into /usr."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".")]
    return "/".join(["usr", *parts] if parts and parts[0] in _MERGED else parts)
