"""How a run ended, as plain data that can be compared and sent: values, errors, output.

An outcome is a flat list of entries, each of which knows its parent, so that values of any depth
can be described, pickled and compared without recursion, and the first difference has a path:
`result[2].name`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any, NamedTuple

__all__ = ["LIBRARY", "Entry", "Outcome", "Recorder", "outcome", "recording"]

LIBRARY = " in the standard library"
"""Marks the lines of a traceback which another micro version of Python may have elsewhere."""

_LONGEST = 2000
_LINE = re.compile(r", line \d+$")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_OURS = re.compile(r"[/\\]hetmig[/\\](testing|interpreter|state)[/\\]")
_ATOMS = (bool, int, float, complex, str, bytes, bytearray, range, slice, type(None), type(...))
_NAMED = (type, FunctionType, BuiltinFunctionType, ModuleType)


class Entry(NamedTuple):
    """One thing in an outcome: part of what, under which name, and what it is."""

    parent: int
    label: str
    text: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a run ended: with which value or exception, arguments changed how, what was written."""

    entries: tuple[Entry, ...]

    def __eq__(self, other: object) -> bool:
        return self.difference(other) is None if isinstance(other, Outcome) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def difference(self, other: Outcome, *, elsewhere: bool = False) -> str | None:
        """The first thing in which `other` differs from this one, as a sentence; None if nothing.

        With `elsewhere`, lines of the standard library in tracebacks may differ.
        """
        ours, theirs = self.lines(elsewhere), other.lines(elsewhere)
        for (path, text), (other_path, other_text) in zip(ours, theirs, strict=False):
            if path != other_path:
                return f"{other_path} is {other_text}, where {path} was {text} when unmoved"
            if text != other_text:
                return f"{path} is {other_text}, it was {text} when unmoved"
        if len(ours) < len(theirs):
            path, text = theirs[len(ours)]
            return f"{path} is {text}, there was none when unmoved"
        if len(ours) > len(theirs):
            path, text = ours[len(theirs)]
            return f"{path} is missing, it was {text} when unmoved"
        return None

    def lines(self, elsewhere: bool) -> list[tuple[str, str]]:
        """Each thing by its path, and what it is; without what may be another one `elsewhere`."""
        paths: list[str] = []
        lines = []
        for parent, label, text in self.entries:
            # a path for each would be long in a deep structure: the nearest names do
            path = ((paths[parent] if parent >= 0 else "") + label)[-400:]
            paths.append(path)
            if not elsewhere:
                lines.append((path, text))
            elif not label.endswith(LIBRARY):  # how many of those there are may differ, too
                lines.append((_LINE.sub(", a line", path), text))
        return lines

    def __str__(self) -> str:
        shown = [f"{path}: {text}" for path, text in self.lines(False)[:20]]
        more = len(self.entries) - len(shown)
        return "; ".join(shown) + (f" and {more} more" if more > 0 else "")


class Recorder(io.StringIO):
    """Stands in for `sys.stdout`; whoever holds it holds, after a move, the one there."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return getattr, (sys, "stdout")


@contextlib.contextmanager
def recording(written: str = "") -> Iterator[Recorder]:
    """Record what is written to `sys.stdout`, after what was `written` before."""
    recorder = Recorder()
    recorder.write(written)
    with contextlib.redirect_stdout(recorder):
        yield recorder


def outcome(
    run: Callable[[], object],
    *,
    arguments: Callable[[], object] = tuple,
    recorder: Recorder | None = None,
) -> Outcome:
    """Run to the end and describe how it ended, as far as a migration must not change it.

    `arguments()` gives, at the end, what may have been changed in place.  Standard output is
    recorded; with `recorder`, it is recorded there already.
    """
    if recorder is None:
        with recording() as recorder:
            return outcome(run, arguments=arguments, recorder=recorder)
    describer = _Describer()
    try:
        value = run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        describer.error(-1, "the exception", error)
    else:
        describer.describe("the result", value)
    held = arguments()
    if held != ():
        describer.describe("the arguments", held)
    for number, line in enumerate(recorder.getvalue().splitlines(keepends=True), 1):
        describer.entries.append(Entry(-1, f"line {number} of the output", repr(line)))
    return Outcome(tuple(describer.entries))


class _Describer:
    """Describes values; what is met again is only named, so that shared identity counts."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._seen: dict[int, tuple[int, object]] = {}

    def describe(self, label: str, root: object, parent: int = -1) -> None:
        """Describe a value and all it holds, in the order in which it holds them."""
        pending: list[tuple[int, str, object]] = [(parent, label, root)]
        while pending:
            above, name, value = pending.pop()
            here = len(self.entries)
            if isinstance(value, BaseException):
                self.error(above, name, value)
                continue
            text, parts = self._parts(value)
            if parts is not None and not isinstance(value, tuple | frozenset):
                known = self._seen.setdefault(id(value), (here, value))[0]
                if known != here:
                    text, parts = f"the very object at #{known}", None
            self.entries.append(Entry(above, name, text))
            pending.extend((here, part, inner) for part, inner in reversed(parts or ()))

    def _parts(self, value: Any) -> tuple[str, list[tuple[str, object]] | None]:
        """What it is, and the parts that it is made of; None for what has none to look at."""
        cls = type(value)
        kind = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
        if isinstance(value, _NAMED):
            module = getattr(value, "__module__", None) or ""
            return f"{kind} {module}.{getattr(value, '__qualname__', value.__name__)}", None
        if cls in _ATOMS or isinstance(value, Enum):
            return f"{_repr(value)} ({kind})", None
        parts: list[tuple[str, object]]
        if isinstance(value, dict):
            parts = [(f"[{_repr(key)}]", item) for key, item in dict.items(value)]
        elif isinstance(value, list | tuple | deque):
            parts = [(f"[{index}]", item) for index, item in enumerate(value)]
        elif isinstance(value, set | frozenset):
            return f"{kind} of {_sorted(value)}", [] if isinstance(value, set) else None
        elif isinstance(value, MethodType):
            return f"{kind} {value.__qualname__}", [(".__self__", value.__self__)]
        elif any("__repr__" in vars(base) for base in cls.__mro__[:-1]):
            return f"{kind}: {_repr(value)}", None
        else:
            return kind, _attributes(value)
        held = _attributes(value) if cls.__module__ != "builtins" else []
        return f"{kind} of {len(parts)}", parts + held

    def error(self, parent: int, label: str, error: BaseException) -> None:
        """Describe an exception with all it hangs together with."""
        here = len(self.entries)
        known = self._seen.setdefault(id(error), (here, error))[0]
        if known != here:
            self.entries.append(Entry(parent, label, f"the very exception at #{known}"))
            return
        cls = type(error)
        text = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
        self.entries.append(Entry(parent, label, f"{text}: {_text(str, error)}"))
        self._attributes_of_error(here, error)
        for number, place in enumerate(_passed(error.__traceback__)):
            lib = LIBRARY if place[1] else ""
            self.entries.append(Entry(here, f"'s traceback, line {number}{lib}", place[0]))
        for name, next_ in (("cause", error.__cause__), ("context", error.__context__)):
            if next_ is not None:
                self.error(here, f".__{name}__", next_)
        if isinstance(error, BaseExceptionGroup):
            for number, part in enumerate(error.exceptions):
                self.error(here, f".exceptions[{number}]", part)

    def _attributes_of_error(self, here: int, error: BaseException) -> None:
        if error.__suppress_context__:
            self.entries.append(Entry(here, ".__suppress_context__", "True"))
        for name, held in sorted(vars(error).items()):
            self.describe(f".{name}", held, here)


def _passed(traceback: TracebackType | None) -> Iterator[tuple[str, bool]]:
    """The functions and lines of a traceback, and whether each is the standard library's."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not _OURS.search(code.co_filename):
            where = f"{code.co_qualname}, line {traceback.tb_lineno}"
            yield where, _is_librarys(code.co_filename)
        traceback = traceback.tb_next


def _is_librarys(file: str) -> bool:
    if file.startswith((*_STDLIB, "<frozen ")):
        return True
    return _ANY_STDLIB.search(file) is not None and "-packages" not in file


_ANY_STDLIB = re.compile(r"[/\\](python3\.\d+t?|python3\d+t?\.zip|Lib)[/\\]")
"""Of other interpreters, which a program that has moved may have come from."""

# where it should be, and where it is: on Windows and WebAssembly, in an archive
_STDLIB = sysconfig.get_paths()["stdlib"], os.path.dirname(os.__file__)


def _attributes(value: object) -> list[tuple[str, object]]:
    names: dict[str, object] = dict(getattr(value, "__dict__", {}))
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with contextlib.suppress(AttributeError):
                names.setdefault(name, getattr(value, name))
    return [(f".{name}", item) for name, item in names.items()]


def _sorted(value: set[Any] | frozenset[Any]) -> str:
    """The items of a set, whose order is that of this process alone."""
    return _shortened(", ".join(sorted(_item(item) for item in value)))


def _item(item: object) -> str:
    describer = _Describer()
    describer.describe("", item)
    return str(Outcome(tuple(describer.entries)))


def _repr(value: object) -> str:
    return _text(repr, value)


def _text(write: Callable[[Any], str], value: object) -> str:
    try:
        text = hex(value) if type(value) is int and value.bit_length() > 9999 else write(value)
    except Exception as error:  # the program's own code, or a depth that nobody can write
        return f"<no text: {type(error).__name__}>"
    return _shortened(_ADDRESS.sub("0x…", text))


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[:200]}… ({len(text)} characters, {digest})"
