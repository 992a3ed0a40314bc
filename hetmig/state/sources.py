"""Texts of code: what a code object was compiled from, and the code that a text gives here.

A text counts as the source of a code object only if compiling it here gives that very code: a file
may have changed since it was imported, and what an import hook rewrote has no text.
"""

from __future__ import annotations
import __future__

import contextlib
import functools
import importlib.util
import inspect
import io
import linecache
import sys
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from hetmig.errors import NotMigratable
from hetmig.state.locators import Scopes, match

__all__ = [
    "Located",
    "Source",
    "arrive",
    "awaitable",
    "came",
    "locate",
    "remember",
    "source",
    "text_of_module",
]

_FUTURES = functools.reduce(
    int.__or__,
    (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names),
)
_MOST = 256
_located: dict[int, tuple[weakref.ref[CodeType], Located]] = {}
"""By the identity of code that has been looked for, or that was compiled here."""
_arrived: dict[str, dict[Source, None]] = {}
"""By file name, the sources that came from elsewhere."""


def awaitable(code: CodeType, flags: int) -> CodeType:
    """This code, or what `types.coroutine` has made of it if `flags` say that it has."""
    flag = flags & inspect.CO_ITERABLE_COROUTINE & ~code.co_flags
    return code.replace(co_flags=code.co_flags | flag) if flag else code


class Source:
    """A text, and how it is compiled.  There is one of each; see `source`."""

    def __init__(self, text: str, file: str, flags: int, optimize: int) -> None:
        self.text = text
        self.file = file
        self.flags = flags
        """Of `__future__`: what the code around `exec` hands on is not in the text."""
        self.optimize = optimize

    @property
    def options(self) -> tuple[str, int, int]:
        """All but the text."""
        return self.file, self.flags, self.optimize

    @functools.cached_property
    def scopes(self) -> Scopes:
        """All that may have a code object of its own.  Raises SyntaxError."""
        with _no_warnings():
            return Scopes(self.text)

    @functools.cached_property
    def codes(self) -> dict[int, CodeType]:
        """The code of each scope, as far as this version gives it one.  Raises SyntaxError."""
        with _no_warnings():
            module = compile(
                self.text,
                self.file,
                "exec",
                self.flags,
                dont_inherit=True,
                optimize=self.optimize,
            )
        codes = match(self.scopes, module)
        for index, code in codes.items():
            remember(code, Located(self, index))
        return codes

    def find(self, code: CodeType) -> int | None:
        """The number of the scope whose code is equal to this one."""
        for index, found in self.codes.items():
            if (
                found.co_name == code.co_name
                and found.co_qualname == code.co_qualname
                and awaitable(found, code.co_flags) == code
            ):
                return index
        return None


class Located(NamedTuple):
    """A code object as a place in a source."""

    source: Source
    number: int
    """Of the scope; see `Scopes`."""


@functools.lru_cache(maxsize=_MOST)
def source(text: str, file: str, flags: int, optimize: int) -> Source:
    """The source with this text: the same each time, so that its code objects are, too."""
    return Source(text, file, flags, optimize)


def arrive(text: str, file: str, flags: int, optimize: int) -> Source:
    """A source from elsewhere.  Tracebacks show its lines from now on."""
    made = source(text, file, flags, optimize)
    known = _arrived.setdefault(file, {})
    known.pop(made, None)
    known[made] = None  # the last one
    while len(_arrived) > _MOST:
        _arrived.pop(next(iter(_arrived)))
    if not _belongs_to_module(file) and "".join(linecache.getlines(file)) != text:
        # None for the time: such an entry is not compared with a file
        linecache.cache[file] = len(text), None, list(io.StringIO(text, newline="\n")), file
    return made


def came(source: Source) -> bool:
    """Whether a source came from elsewhere, maybe as the very text that is here, too."""
    return source in _arrived.get(source.file, ())


def _belongs_to_module(file: str) -> bool:
    """Whether a module of this process was read from a file of that name."""
    # in their dictionaries: a module's own __getattr__ is not to run
    spaces = [getattr(module, "__dict__", {}) for module in list(sys.modules.values())]
    return any(space.get("__file__") == file for space in spaces)


def locate(code: CodeType, namespace: dict[str, Any] | None = None) -> Located:
    """The text of a code object, and which one in it.  `namespace`: the globals it runs with.

    Raises NotMigratable if there is none, or none that gives this code.
    """
    known = _located.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    flags, tried = code.co_flags & _FUTURES, []
    for text in _texts(code, namespace or {}):
        candidate = source(text, code.co_filename, flags, sys.flags.optimize)
        with contextlib.suppress(SyntaxError, ValueError):
            index = candidate.find(code)
            if index is not None:
                return remember(code, Located(candidate, index))
            tried.append(candidate)
    name = code.co_name, code.co_firstlineno
    if tried and not any((s.name, s.first_line) == name for one in tried for s in one.scopes):
        raise NotMigratable(
            f"{code.co_qualname} ({code.co_filename}) is nothing that its source names: this "
            "version of Python has made it, for annotations or type parameters, say"
        )
    if tried:
        raise NotMigratable(
            f"{code.co_filename} gives other code for {code.co_qualname} than runs here: it has "
            "changed since it was imported, or something rewrote it, as pytest does with assert; "
            "and only source goes to another version of Python"
        )
    raise NotMigratable(
        f"the source of {code.co_qualname} ({code.co_filename}) is not to be found, and only "
        "source goes to another version of Python: define it in a file, or put the text into "
        "linecache.cache"
    )


def remember(code: CodeType, located: Located) -> Located:
    """Know from now on where the source of this code object is."""
    # by identity: to hash or compare code objects means to hash all they contain
    key = id(code)

    def forget(_: object, key: int = key) -> None:
        _located.pop(key, None)

    _located[key] = weakref.ref(code, forget), located
    return located


def _texts(code: CodeType, namespace: dict[str, Any]) -> Iterator[str]:
    """What may be the text of a code object, the likeliest first, each once."""
    seen: set[str] = set()
    for text in _all_texts(code, namespace):
        if text and text not in seen:
            seen.add(text)
            yield text


def _all_texts(code: CodeType, namespace: dict[str, Any]) -> Iterator[str | None]:
    file = code.co_filename
    for one in reversed(list(_arrived.get(file, ()))):
        yield one.text
    entry = linecache.cache.get(file)
    if entry is not None and len(entry) > 1:
        yield "".join(entry[2])
    if getattr(namespace.get("__spec__"), "origin", None) == file:
        yield _loaded_text(namespace.get("__loader__"), namespace.get("__name__"))
    yield _read(file)
    yield _read(namespace.get("__file__"))  # of what is frozen into the interpreter
    yield "".join(linecache.getlines(file, namespace))
    if file.startswith("<"):
        with contextlib.suppress(OSError, TypeError, IndexError):
            lines, _ = inspect.findsource(code)  # knows those of `python -c` and of the prompt
            yield "".join(lines)


def text_of_module(module: ModuleType) -> str | None:
    """The text that a module was imported from."""
    spec = module.__spec__
    found = _loaded_text(getattr(spec, "loader", None), getattr(spec, "name", None))
    return found or _read(getattr(module, "__file__", None))


def _loaded_text(loader: Any, name: Any) -> str | None:
    get_source = getattr(loader, "get_source", None)
    if get_source is None:
        return None
    try:
        text = get_source(name)
    except Exception:  # loaders are anybody's
        return None
    return text if isinstance(text, str) else None


def _read(file: Any) -> str | None:
    if not isinstance(file, str) or file.startswith("<"):
        return None
    try:
        return importlib.util.decode_source(Path(file).read_bytes())
    except (OSError, SyntaxError, UnicodeError, ValueError):
        return None


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """The program's own compilation has given its warnings."""
    # Not `catch_warnings`: it has every warning shown again that is to be shown but once.
    ignore: Any = ("ignore", None, Warning, None, 0)
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    filters.insert(0, ignore)
    try:
        yield
    finally:
        filters.remove(ignore)
