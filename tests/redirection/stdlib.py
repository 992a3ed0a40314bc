"""Runs the standard library's own tests of files on files that are open at another node.

`python -m tests.redirection.stdlib [-v] [MODULE ...]` runs all of them, or those of some modules
(`test_fileio`), and prints what was left out, and why.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
import sys
import unittest
from collections.abc import Iterator

import hetmig
from tests.redirection.loop import THERE, abandon, looped, moved

WHERE = {
    "test.test_io": ("CIOTest", "CMiscIOTest", "CTextIOWrapperTest"),
    "test.test_io.test_general": ("CIOTest", "CMiscIOTest"),
    "test.test_io.test_textio": ("CTextIOWrapperTest",),
    "test.test_fileio": ("CAutoFileTests", "COtherFileTests"),
    "test.test_io.test_fileio": ("CAutoFileTests", "COtherFileTests"),
    "test.test_file": ("CAutoFileTests", "COtherFileTests"),
    "test.test_io.test_file": ("CAutoFileTests", "COtherFileTests"),
    "test.test_bufio": ("CBufferSizeTest",),
    "test.test_io.test_bufio": ("CBufferSizeTest",),
}
"""The classes, by module; which modules there are depends on the version."""

_LOOP: list = []


def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True,
           opener=None):  # fmt: skip
    """The built-in `open`, and a move."""
    if isinstance(file, int) or opener is not None or not closefd:
        return builtins.open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    loop = _LOOP[0]
    loop.here = THERE
    made = hetmig.open(file, mode, buffering, encoding, errors, newline, policy="home")
    raw = getattr(getattr(made, "buffer", made), "raw", made)
    if not os.path.isfile(raw.fileno()):
        return made
    try:
        return moved(made, loop)
    except BaseException:
        abandon(made)
        raise


def raw_opened(file, mode="r", closefd=True, opener=None):
    """`io.FileIO`, and a move."""
    if isinstance(file, int) or opener is not None or not closefd or "b" in mode:
        return io.FileIO(file, mode, closefd, opener)
    if not isinstance(file, (str, bytes, os.PathLike)) or len(set(mode) & set("rwax")) != 1:
        return io.FileIO(file, mode, closefd, opener)
    return opened(file, f"{mode}b", 0)


def cases() -> Iterator[tuple[str, unittest.TestCase]]:
    """Each test, on redirected files, with the name of its module."""
    for module, classes in WHERE.items():
        try:
            found = importlib.import_module(module)
        except ImportError:
            continue
        for name in classes:
            if hasattr(found, name):
                yield from _cases(module, found, getattr(found, name))


def _cases(module, found, cls) -> Iterator[tuple[str, unittest.TestCase]]:
    space = {}
    if hasattr(found, "load_tests"):  # which gives the classes what they test
        found.load_tests(unittest.TestLoader(), unittest.TestSuite(), None)
    space["open"] = staticmethod(opened)
    if "FileIO" in dir(cls):
        space["FileIO"] = staticmethod(raw_opened)
    made = type(cls.__name__, (cls,), {**space, "__module__": cls.__module__})
    for name in unittest.TestLoader().getTestCaseNames(made):
        yield module, made(name)


def name_of(case: unittest.TestCase) -> str:
    return f"{type(case).__name__}.{case._testMethodName}"


def run(case: unittest.TestCase) -> unittest.TestResult:
    """Run one of them."""
    result = unittest.TestResult()
    with looped() as loop:
        _LOOP[:] = [loop]
        case.run(result)
    return result


def main() -> int:
    from tests.redirection.exceptions import reason_for

    passed, failed, left = 0, 0, []
    chosen = [argument for argument in sys.argv[1:] if argument != "-v"]
    for module, case in cases():
        name = name_of(case)
        if chosen and module.rpartition(".")[2] not in chosen:
            continue
        if reason := reason_for(name):
            left.append(f"{name}: {reason}")
            continue
        result = run(case)
        if result.wasSuccessful():
            passed += 1
        else:
            failed += 1
            text = (result.errors + result.failures)[0][1].strip()
            print(f"FAILED {name}\n{text if '-v' in sys.argv else text.splitlines()[-1]}")
    print(*left, f"{passed} passed, {failed} failed, {len(left)} left out", sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main()))
