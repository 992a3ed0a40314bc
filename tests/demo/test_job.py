"""The demo's job gives answers that can be checked by other means."""

import ast
import json
import zlib
from collections import Counter
from pathlib import Path

import pytest

from hetmig.demo.corpus import count, standard_library
from hetmig.demo.job import Outline, Vocabulary, index_library, largest, scan

SOURCE = '''\
import os, sys
from json import loads as l

def outer(a=(1,
    2)):
    """A text
with lines at the margin, and a # in it.
"""
    async def inner(x): return x  # a comment
    return inner

def last():
    return {
"}": 1,
}
'''


def functions_of(source: str) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    scan(source, Vocabulary(), Outline({}, lambda *function: found.append(function)))
    return sorted(found)


def test_functions_and_their_extents() -> None:
    assert functions_of(SOURCE) == [("inner", 9, 9), ("last", 12, 15), ("outer", 4, 10)]


@pytest.mark.parametrize("module", ["argparse", "textwrap", "typing", "decimal", "turtle"])
def test_agrees_with_ast_about_real_modules(module: str) -> None:
    source = Path(ast.__file__).with_name(f"{module}.py").read_text("utf-8")
    expected = [
        (node.name, node.lineno, node.end_lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert functions_of(source) == sorted(expected)


def test_words_and_imports() -> None:
    modules: dict[str, int] = {}
    vocabulary = Vocabulary()
    assert scan(SOURCE, vocabulary, Outline(modules, lambda *_: None)) == SOURCE.count("\n")
    assert modules == {"os": 1, "json": 1}
    assert vocabulary.words["outer"] == 1
    assert vocabulary.words["margin"] == 1
    vocabulary.read("assertEqual HTMLParser read_only")
    assert {"assert", "Equal", "read", "only"} <= vocabulary.parts.keys()


def test_an_unfinished_file_is_read_to_its_end() -> None:
    assert scan('def f():\n    """never closed\n(', Vocabulary(), Outline({}, lambda *_: None)) == 2


def test_index_of_a_small_library() -> None:
    library = [("p", [("p/a.py", zlib.compress(SOURCE.encode()))] * 2), ("q", [])]
    index = index_library(library)
    assert index["files"] == 2
    assert index["lines"] == 2 * SOURCE.count("\n")
    assert index["longest functions"][0] == (7, "outer (p/a.py:4)")
    assert index["most imported"] == [(2, "json"), (2, "os")]
    assert index["words"] >= index["different words"]
    assert json.loads(json.dumps(index)).keys() == index.keys()


def test_the_checksum_notices_one_character() -> None:
    def checksum(source: str) -> str:
        return str(index_library([("p", [("a", zlib.compress(source.encode()))])])["checksum"])

    assert checksum(SOURCE) == checksum(SOURCE)
    assert checksum(SOURCE) != checksum(SOURCE.replace("#", "!"))


def test_largest_orders_equal_ones_by_name() -> None:
    counts = Counter("abracadabra")
    assert largest([(n, c) for c, n in counts.items()], 3) == [(5, "a"), (2, "b"), (2, "r")]


def test_the_library_is_this_pythons_own_and_packed() -> None:
    library = standard_library(40)
    assert count(library) == 40
    texts = {path: zlib.decompress(packed) for _, files in library for path, packed in files}
    assert any(text.strip() for text in texts.values())
    assert not any("site-packages" in path for path in texts)
    assert library == standard_library(40)
