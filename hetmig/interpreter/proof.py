"""The proof that a frame's parts are where `layout` says.

A wrong offset would read garbage or crash the process, so no frame is read before `require()` has
compared, once per process, frames whose contents are known.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from hetmig.errors import UnsupportedInterpreter
from hetmig.interpreter import cpython, layout
from hetmig.interpreter.frame_memory import FrameMemory, reference_count

__all__ = ["LayoutReport", "require", "self_check"]


@dataclass
class LayoutReport:
    """The outcome of the self-check."""

    ok: bool
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def _probe(first: object, second: object, inspect: Callable[..., Any]) -> Any:
    """A frame whose locals and value stack are known: three values are pending below the call."""
    third = [first, second]
    return (first, second, third, inspect(sys._getframe(), third))[3]


def _check_contents(frame: FrameType, third: object) -> str:
    memory = FrameMemory(frame)
    code = frame.f_code
    if memory.executable != id(code):
        return "a frame's code object is not where it should be"
    values = frame.f_locals
    expected = [id(values[name]) for name in ("first", "second", "inspect")] + [id(third)]
    if memory.references(0, 4) != expected:
        return "local variables are not where they should be"
    if memory.references(4, 7) != [expected[0], expected[1], expected[3]]:
        return "the value stack is not where it should be"
    if memory.function != id(_probe):
        return "a frame's function is not where it should be"
    if memory.owner != cpython.FRAME_OWNED_BY_THREAD:
        return "a plain function's frame claims to belong to something else"
    return ""


def _check_namespace() -> str:
    namespace: dict[str, Any] = {"read": lambda: FrameMemory(sys._getframe(1)).namespace}
    exec("address = read()", namespace)
    if namespace["address"] != id(namespace):
        return "the namespace of module-level code is not where it should be"
    return ""


def _check_entries() -> str:
    """Frames entered directly and through C must be told apart."""

    def inner(_value: object = None) -> bool:
        # no frame in a variable: a cycle would keep the whole stack alive
        return FrameMemory(sys._getframe()).entered_from(FrameMemory(sys._getframe(1)))

    def direct() -> bool:
        return inner()

    # warmed up, because a specialised call is another piece of code
    if not all(direct() for _ in range(64)):
        return "a direct call looks like one through C"
    if any(any(map(inner, [1])) for _ in range(64)):
        return "a call through C looks like a direct one"
    seen: list[bool] = []

    def key(value: int) -> int:
        seen.append(inner(value))
        return value

    sorted([1], key=key)
    if seen != [True]:
        return "a direct call under a C function looks like one through C"

    def generator() -> Any:
        yield FrameMemory(sys._getframe()).owner

    if next(generator()) != cpython.FRAME_OWNED_BY_GENERATOR:
        return "a generator's frame does not say so"
    return ""


def _check_reference_count() -> str:
    known = object()
    before = reference_count(id(known))
    more = [known] * 5
    after = reference_count(id(known))
    return (
        "" if 0 < before == after - len(more) else "references are not counted where they should be"
    )


@functools.cache
def self_check() -> LayoutReport:
    """Prove the layout on known frames; once per process, about a millisecond."""
    details: dict[str, Any] = {
        "implementation": sys.implementation.name,
        "version": sys.version.split()[0],
        "free_threaded": cpython.FREE_THREADED,
        "pointer_bytes": layout.WORD,
        "source": "published" if cpython.PUBLISHED_OFFSETS else "declared",
    }
    if sys.implementation.name != "cpython":
        return LayoutReport(False, f"{sys.implementation.name} is not CPython", details)
    if not cpython.OLDEST <= cpython.VERSION <= cpython.NEWEST:
        known = " and ".join(
            f"{major}.{minor}" for major, minor in (cpython.OLDEST, cpython.NEWEST)
        )
        reason = f"CPython {sys.version.split()[0]} is not between {known}"
        return LayoutReport(False, reason, details)
    if cpython.FREE_THREADED_UNKNOWN:
        reason = (
            f"this CPython {sys.version.split()[0]} is free-threaded; of those only 3.13 is known"
        )
        return LayoutReport(False, reason, details)
    try:
        details["offsets"] = vars(layout.frame_layout())
        reason = (
            _probe(object(), object(), _check_contents)
            or _check_namespace()
            or _check_entries()
            or _check_reference_count()
        )
    except (UnsupportedInterpreter, ValueError) as error:
        reason = str(error)
    return LayoutReport(not reason, reason, details)


def require() -> None:
    """Raise `UnsupportedInterpreter` unless the layout is proven."""
    report = self_check()
    if not report.ok:
        raise UnsupportedInterpreter(
            f"hetmig can't read the frames of this interpreter: {report.reason}; "
            "`hetmig doctor` tells more",
            **report.details,
        )
