"""Other interpreters to migrate to: other CPUs and other Python versions, made on this machine.

    >>> from hetmig.targets import make
    >>> make("arm64")                       # doctest: +SKIP
    PosixPath('/home/me/.cache/hetmig/targets/arm64/bin/python')

Nothing is installed on the host and nothing needs root.  A foreign CPU is emulated by qemu-user,
so what runs there is a real CPython of that CPU, with real ZeroMQ.
"""

from hetmig.targets.interpreters import find_interpreter
from hetmig.targets.making import available, make
from hetmig.targets.recipes import TARGETS, DebianPython, LocalPython

__all__ = ["TARGETS", "DebianPython", "LocalPython", "available", "find_interpreter", "make"]
