"""Instances of a package's classes, where the destination has another version of the package."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import hetmig
from hetmig.errors import MigrationRefused
from hetmig.state import package_classes

OLD = """
__version__ = "1.0"
import dataclasses

class Base:
    def __init__(self):
        self.kept = []

class Counter(Base):
    def __init__(self, start):
        super().__init__()
        self.count = start

    def up(self):
        self.count += 1
        return self.count

@dataclasses.dataclass
class Data:
    x: int

class Slotted:
    __slots__ = ("a", "b")
    def __init__(self):
        self.a = 1

class OwnWay:
    def __init__(self):
        self.x = 1
    def __getstate__(self):
        return vars(self)
    def __setstate__(self, state):
        vars(self).update(state)

class Broken(ValueError):
    def __init__(self, code):
        super().__init__(code)
        self.code = code
"""
NEW = OLD.replace('"1.0"', '"2.0"')


@pytest.fixture
def versions() -> Iterator[Callable[[str], Any]]:
    """Has the module `packaged` be of this source, as another process has it."""

    def become(source: str) -> Any:
        module = types.ModuleType("packaged")
        sys.modules["packaged"] = module
        exec(source, vars(module))
        return module

    yield become
    del sys.modules["packaged"]


@pytest.fixture(params=[False, True], ids=["native", "portable"])
def moved(request: pytest.FixtureRequest, versions: Callable[[str], Any]) -> Any:
    def move(make: Callable[[Any], Any], there: str) -> Any:
        parcel = hetmig.dumps(make(versions(OLD)), portable=request.param)
        versions(there)
        return hetmig.loads(parcel)

    return move


def test_what_is_the_same_there(moved: Any) -> None:
    counter = moved(lambda m: m.Counter(3), OLD)
    assert (counter.up(), counter.kept) == (4, [])


def test_an_attribute_that_they_lack(moved: Any) -> None:
    there = NEW.replace("self.count = start", "self.count = start; self.step = 1")
    with pytest.raises(MigrationRefused) as caught:
        moved(lambda m: [m.Counter(3)], there)
    assert "packaged.Counter gives its instances an attribute 'step'" in str(caught.value)
    assert "packaged 1.0 there, 2.0 here" in str(caught.value)


def test_one_of_a_base(moved: Any) -> None:
    there = NEW.replace("self.kept = []", "self.kept = []; self.seen = {}")
    with pytest.raises(MigrationRefused, match="'seen'"):
        moved(lambda m: m.Counter(3), there)


def test_one_of_an_exception(moved: Any) -> None:
    there = NEW.replace("self.code = code", "self.code = code; self.more = 1")
    with pytest.raises(MigrationRefused, match="'more'"):
        moved(lambda m: m.Broken(3), there)


def test_one_that_the_class_itself_has(moved: Any) -> None:
    there = NEW.replace("    x: int", "    x: int\n    y: int = 7")
    assert moved(lambda m: m.Data(3), there).y == 7
    with pytest.raises(MigrationRefused, match="'y'"):
        moved(lambda m: m.Data(3), NEW.replace("    x: int", "    y: int\n    x: int"))


def test_a_slot_that_is_empty(moved: Any) -> None:
    assert moved(lambda m: m.Slotted(), NEW).a == 1
    with pytest.raises(MigrationRefused, match="'b'"):
        moved(lambda m: m.Slotted(), NEW.replace("self.a = 1", "self.a = self.b = 1"))


def test_what_is_no_longer_set_or_set_in_others_does_not_matter(moved: Any) -> None:
    there = NEW.replace("self.count += 1", "other = self; other.x = 1; self.count += 1")
    assert moved(lambda m: m.Counter(1), there).up() == 2
    assert moved(lambda m: m.Counter(1), NEW.replace("self.kept = []", "pass")).up() == 2


def test_a_class_alone_is_the_one_that_is_there(moved: Any) -> None:
    there = NEW.replace("self.count = start", "self.count = start; self.step = 1")
    assert moved(lambda m: m.Counter, there)(1).step == 1


def test_one_that_has_its_own_way(moved: Any) -> None:
    assert moved(lambda m: m.OwnWay(), NEW.replace("self.x = 1", "self.x = self.y = 1")).x == 1


def test_only_those_are_described_that_are_imported() -> None:
    class Local:
        pass

    assert package_classes.described([Local, int, OSError, hetmig.Nodes]) == []
