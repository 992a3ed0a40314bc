"""Instances of the standard library's classes get what another version wants, or are refused."""

from __future__ import annotations

import queue
import sys
import threading
import types

import pytest

from hetmig.errors import NotMigratable
from hetmig.state import library_objects, sources
from hetmig.state.pickling import dumps, loads

ELSEWHERE = (3, 2)

MODULE = """
class Kept:
    def __init__(self, size, lock=None, *, option=False, given):
        self.size = size
        self._lock = lock
        self.release = lock.release
        self.count: int = 0
        self.items = []
        self.option = option
        self.__own = "text"
        self.given = given
        if size:
            self.sometimes = 1
        size.other = 2

    def reset(self):
        self.later = 1
"""


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """A class that looks like the library's."""
    name = next(n for n in sorted(sys.stdlib_module_names) if n not in sys.modules)
    module = types.ModuleType(name)
    module.__file__ = str(tmp_path / "kept.py")
    (tmp_path / "kept.py").write_text(MODULE)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(MODULE, module.__file__, "exec"), vars(module))
    yield module.Kept
    library_objects._begins_with.cache_clear()
    library_objects._assigned_in.cache_clear()
    assert sources.text_of_module(module) == MODULE


def test_what_is_missing_begins_as_it_would(kept):
    one = kept.__new__(kept)
    lock = threading.Lock()
    vars(one).update(size=1, _lock=lock, given=2)
    library_objects.complete(one, ELSEWHERE, ("sometimes", "later"))
    assert vars(one).pop("release") == lock.release
    assert vars(one) == {
        "size": 1,
        "_lock": lock,
        "count": 0,
        "items": [],
        "option": False,
        "_Kept__own": "text",
        "given": 2,
    }


def test_what_begins_as_nobody_knows_is_refused(kept):
    one = kept.__new__(kept)
    vars(one).update(size=1, _lock=threading.Lock())
    with pytest.raises(NotMigratable, match=r"Kept has an attribute 'given' in this version"):
        library_objects.complete(one, ELSEWHERE, ())


def test_what_only_another_method_sets_is_refused(kept):
    one = kept.__new__(kept)
    vars(one).update(size=1, _lock=threading.Lock(), given=2)
    with pytest.raises(NotMigratable, match=r"Kept has an attribute 'later' in this version"):
        library_objects.complete(one, ELSEWHERE, ("sometimes",))


def test_the_attributes_of_a_class_are_known(kept):
    known = library_objects.known_attributes(kept)
    assert {"size", "_lock", "sometimes", "later", "_Kept__own"} <= set(known)
    assert "other" not in known


def test_in_the_same_version_nothing_is_added(kept):
    one = kept.__new__(kept)
    library_objects.complete(one, sys.version_info[:2], ())
    assert vars(one) == {}


def test_they_travel_as_before():
    made = queue.Queue(3)
    made.put(made)
    event = threading.Event()
    got, again, happened = loads(dumps([made, made, event]))
    assert got is again
    assert got.get() is got
    assert got.maxsize == 3
    assert not happened.is_set()
