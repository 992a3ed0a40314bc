"""The demo's job: an index over the source text of Python's own standard library.

An ordinary program.  It knows nothing of migration except for two lines: `hetmig.progress` says
how far it is, and `hetmig.migrate` takes it, after file number `move_after`, to the node `move_to`.
Everything else that moves it comes from outside, while it loops.

The text comes along as an argument, packed file by file, because the files of another machine are
not the files of this one.  It is read by a little scanner of its own and not by `ast`, so that the
answer depends on the text alone and not on the Python that happens to read it.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeAlias

import hetmig

__all__ = ["Library", "index_library"]

Library: TypeAlias = Sequence[tuple[str, Sequence[tuple[str, bytes]]]]
"""Packages in order; of each its name and its files, as (path, zlib-packed UTF-8 source)."""

WORD = re.compile(r"[^\W\d]\w*")
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # of a word: assertEqual, read_only, HTMLParser
TOKEN = re.compile(
    r"""
      (?P<space>    [ \t\f]+ | \\\n )
    | (?P<newline>  \n )
    | (?P<comment>  \#[^\n]* )
    | (?P<string>   (?i:[rbuf]{0,2})
                    (?: \"""(?:[^\\]|\\.)*?\""" | '''(?:[^\\]|\\.)*?'''
                      | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' ) )
    | (?P<name>     [^\W\d]\w* )
    | (?P<number>   \.?\d[\w.]* )
    | (?P<open>     [(\[{] )
    | (?P<close>    [)\]}] )
    | (?P<other>    . )
    """,
    re.VERBOSE | re.DOTALL,
)


def index_library(
    library: Library, move_after: int | None = None, move_to: str | None = None
) -> dict[str, Any]:
    """Read every file of the library; return what there is to say about it, as plain data."""
    vocabulary = Vocabulary()
    modules: dict[str, int] = {}
    sizes: dict[str, int] = {}
    functions: list[tuple[int, str]] = []
    fingerprint = b""
    done = 0
    unread = [(package, deque(files)) for package, files in library]
    total = sum([len(files) for _, files in unread])
    del library  # so that what has been read need not travel any more

    class Shelf:
        """The words of one package, added to the library's when all of it has been read."""

        def __init__(self, name: str) -> None:
            self.name = name
            self.lines = 0
            self.vocabulary = Vocabulary()

        def __enter__(self) -> Shelf:
            return self

        def __exit__(
            self, kind: type[BaseException] | None, _: object, __: TracebackType | None
        ) -> None:
            if kind is None:
                sizes[self.name] = self.lines
                vocabulary.add(self.vocabulary)

    for package, files in unread:
        with Shelf(package) as shelf:
            while files:
                path, packed = files.popleft()

                def measure(name: str, first: int, last: int, path: str = path) -> None:
                    nonlocal functions
                    functions.append((last - first + 1, f"{name} ({path}:{first})"))
                    if len(functions) > 1000:
                        functions = largest(functions, 10)

                source = zlib.decompress(packed)
                shelf.lines += scan(source.decode(), shelf.vocabulary, Outline(modules, measure))
                fingerprint = hashlib.sha256(fingerprint + source).digest()
                done += 1
                hetmig.progress(done, total, path)
                if done == move_after and move_to is not None:
                    hetmig.migrate(move_to)  # the rest of the library is read over there

    return {"files": done, **summary(sizes, vocabulary, modules, functions, fingerprint)}


def summary(
    sizes: dict[str, int],
    vocabulary: Vocabulary,
    modules: dict[str, int],
    functions: list[tuple[int, str]],
    fingerprint: bytes,
) -> dict[str, Any]:
    """What is worth knowing of all that was counted."""
    return {
        "lines": sum(sizes.values()),
        "words": sum(vocabulary.words.values()),
        "different words": len(vocabulary.words),
        "most frequent words": largest(counts(vocabulary.words), 10),
        "most frequent parts of words": largest(counts(vocabulary.parts), 10),
        "most frequent pairs of letters": largest(counts(vocabulary.pairs), 10),
        "most imported": largest(counts(modules), 10),
        "largest packages": largest(counts(sizes), 10),
        "longest functions": largest(functions, 10),
        "checksum": checksum(fingerprint, vocabulary),
    }


def scan(source: str, vocabulary: Vocabulary, outline: Outline) -> int:
    """Read one file: its words for `vocabulary`, its statements for `outline`; return its lines."""
    position, line, depth = 0, 1, 0
    indent, begun = 0, False  # of the statement being read
    while position < len(source):
        kind, text, position = next_token(source, position)
        if kind == "newline":
            line += 1
            if depth == 0:
                indent, begun = 0, False
            continue
        if kind == "space":
            if not begun:
                indent = len(text)
            line += text.count("\n")
            continue
        if kind in ("name", "string", "comment"):
            vocabulary.read(text)
        if kind == "comment":
            continue
        if not begun:
            outline.statement(indent, line)
            begun = True
        line += text.count("\n")
        outline.token(kind, text, line)
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
    outline.statement(0, line)
    return line - 1


def next_token(source: str, position: int) -> tuple[str, str, int]:
    """The token that begins at `position`: its kind, its text, and where the next one begins."""
    match = TOKEN.match(source, position)
    assert match is not None
    assert match.lastgroup is not None
    return match.lastgroup, match.group(), match.end()


class Vocabulary:
    """Which words there are, and how often."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.parts: dict[str, int] = {}
        self.pairs: dict[str, int] = {}

    def read(self, text: str) -> None:
        """Count the words of a piece of text, the parts they have, and pairs of letters."""
        words, parts, pairs = self.words, self.parts, self.pairs
        for word in WORD.findall(text):
            words[word] = words.get(word, 0) + 1
            for part in PART.findall(word):
                parts[part] = parts.get(part, 0) + 1
            for i in range(len(word) - 1):
                pair = word[i : i + 2]
                pairs[pair] = pairs.get(pair, 0) + 1

    def add(self, other: Vocabulary) -> None:
        """Add the counts of another one."""
        for mine, theirs in zip(self.tables(), other.tables(), strict=True):
            for word, count in theirs.items():
                mine[word] = mine.get(word, 0) + count

    def tables(self) -> list[dict[str, int]]:
        """All that is counted."""
        return [self.words, self.parts, self.pairs]


class Outline:
    """Finds the imports and the extents of the functions among the statements of one file."""

    def __init__(self, modules: dict[str, int], measure: Callable[[str, int, int], None]) -> None:
        self._modules = modules
        self._measure = measure
        self._open: list[tuple[int, str, int]] = []  # indent, name and first line, outermost first
        self._start: tuple[int, int] = (0, 1)  # indent and line of the present statement
        self._words: list[str] = []  # its first words
        self._last = 0  # the last line of the statement before

    def statement(self, indent: int, line: int) -> None:
        """A statement begins; functions it is not part of have ended."""
        while self._open and indent <= self._open[-1][0]:
            _, name, first = self._open.pop()
            self._measure(name, first, self._last)
        self._start = (indent, line)
        self._words = []

    def token(self, kind: str, text: str, line: int) -> None:
        """One more token of the present statement, which ends in `line`."""
        self._last = line
        words = self._words
        if kind != "name" or len(words) == 3:
            return
        words.append(text)
        if len(words) == 2 and words[0] in ("import", "from") and text != "import":
            self._modules[text] = self._modules.get(text, 0) + 1
        elif words[:-1] in (["def"], ["async", "def"]):
            self._open.append((self._start[0], text, self._start[1]))


def counts(table: dict[str, int]) -> list[tuple[int, str]]:
    """The entries of a table of counts, as `largest` takes them."""
    return [(count, name) for name, count in table.items()]


def largest(entries: list[tuple[int, str]], count: int) -> list[tuple[int, str]]:
    """The `count` largest entries, those of equal size by name."""
    ordered = sorted([(-size, name) for size, name in entries])
    return [(-size, name) for size, name in ordered[:count]]


def checksum(fingerprint: bytes, vocabulary: Vocabulary) -> str:
    """A number that differs if any character read, or any count of words, does."""
    digest = hashlib.sha256(fingerprint)
    for table in vocabulary.tables():
        for word in sorted(table):
            digest.update(f"{word} {table[word]}\n".encode())
    return digest.hexdigest()
