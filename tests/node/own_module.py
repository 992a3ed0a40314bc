"""A program whose module has state, found by its name at both ends; see test_own_modules."""

from __future__ import annotations

import sys
from typing import ClassVar

import hetmig

_calls = 0
_seen: list[str] = []
_same = _seen
_limit = 10
_pool: object = None


def _count(word: str) -> int:
    global _calls
    _calls += 1
    _seen.append(word)
    return _calls


def uses_module_globals(stop: str) -> tuple[object, ...]:
    """Rebinds one global of its module and fills another, here and there."""
    mine = _seen
    for word in ("one", "two"):
        _count(word)
    if stop:
        hetmig.migrate(stop)
    for word in ("three", "four"):
        _count(word)
    return _calls, _seen, _same is _seen, mine is _seen, _limit


class Register:
    """Has state of its own, as a class."""

    made = 0
    names: ClassVar[list[str]] = []
    limit = 5

    class Inner:
        depth = 0

    def __init__(self, name: str) -> None:
        type(self).made += 1
        self.names.append(name)
        Register.Inner.depth += 2

    @classmethod
    def total(cls) -> tuple[object, ...]:
        return cls.made, cls.names, cls.limit, cls.Inner.depth


def uses_class_variables(stop: str) -> tuple[object, ...]:
    kept = [Register("one")]
    if stop:
        hetmig.migrate(stop)
    kept.append(Register("two"))
    return (*Register.total(), kept[0].names is Register.names)


def sets_a_global_that_stays(stop: str) -> str:
    global _pool
    _pool = sys.flags
    try:
        hetmig.migrate(stop)
    except hetmig.NotMigratable as error:
        return error.reason
    return "moved"
