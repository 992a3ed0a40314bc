"""The digest of a class: what changes it and what does not, and what is refused by it."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from hetmig.errors import MigrationRefused, SourceChanged
from hetmig.state.class_source import describe_class, digest, require_same_class

TEXT = """
class Base:
    def greet(self):
        return "hello"

class Thing(Base):
    size = 1
    def grow(self, by=1, *, twice=False):
        self.size += by * (2 if twice else 1)
        return f"{self.size!r:>4}"
"""
Make = Callable[[str], ModuleType]


@pytest.fixture
def module() -> Iterator[Make]:
    """Make the module `things` of a text; the one made last counts."""

    def make(text: str) -> ModuleType:
        made = sys.modules["things"] = ModuleType("things")
        made.__file__ = "things.py"
        linecache.cache["things.py"] = len(text), None, text.splitlines(keepends=True), "things.py"
        exec(compile(text, "things.py", "exec"), vars(made))
        return made

    yield make
    sys.modules.pop("things", None)
    linecache.cache.pop("things.py", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    size = 1", "    size = 1  # in metres\n\n"),
        ("by * (2 if twice else 1)", "(by\n            * (2 if twice else 1))"),
        ("\nclass Base", "\n\nimport os\nclass Base"),
    ],
)
def test_comments_and_layout_do_not_count(module: Make, old: str, new: str) -> None:
    before = digest(module(TEXT).Thing)
    assert TEXT.replace(old, new) != TEXT
    assert digest(module(TEXT.replace(old, new)).Thing) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size = 1", "size = 1.0"),
        ("size = 1", "size = True"),
        ('"hello"', "'hallo'"),
        ("by=1", "by=2"),
        ("*, twice", "twice"),
        ("!r:>4", "!s:>4"),
        ("+=", "-="),
        ("(Base)", ""),
    ],
)
def test_what_it_does_counts_its_bases_included(module: Make, old: str, new: str) -> None:
    before = digest(module(TEXT).Thing)
    assert digest(module(TEXT.replace(old, new)).Thing) != before


def test_the_same_class_is_accepted_and_another_is_refused(module: Make) -> None:
    described = describe_class(module(TEXT).Thing)
    assert described is not None
    require_same_class(described)
    module(TEXT.replace("hello", "hallo"))
    with pytest.raises(SourceChanged, match=r"things\.Thing") as caught:
        require_same_class(described)
    assert caught.value.data["needed"] == described["digest"]
    assert caught.value.data["present"] not in (None, described["digest"])
    module("")
    with pytest.raises(SourceChanged, match="missing"):
        require_same_class(described)
    del sys.modules["things"]
    with pytest.raises(MigrationRefused, match="ship=True"):
        require_same_class(described)


def test_a_class_by_value_is_not_described(module: Make) -> None:
    class Local: ...

    assert describe_class(Local) is None
    made = module(TEXT)
    made.Thing.__module__ = "__main__"
    assert describe_class(made.Thing) is None


def test_the_same_in_every_version(module: Make) -> None:
    """Worked out with the others; a change of this number needs no more than to be noticed."""
    assert digest(module(TEXT).Thing) == "07eed7986b010e4fd0ba19cba77d0c6e"


def test_without_source_the_compiled_functions_count(module: Make) -> None:
    made = module(TEXT)
    linecache.cache.pop("things.py")
    before = digest(made.Thing)
    made.Thing.grow.__code__ = made.Base.greet.__code__
    assert digest(made.Thing) != before
    assert digest(dict) == digest(list)  # the standard library is the interpreter's
