"""Loops as parts of a function: their variables, their exits, and code that ends with them."""

from __future__ import annotations

import dis
import io
from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

from hetmig.errors import NotMigratable
from hetmig.interpreter.loops import Loop, loop_at


def loops_of(function: Callable[..., Any]) -> list[Loop]:
    code: CodeType = function.__code__
    heads = [i.offset for i in dis.get_instructions(code) if i.opname == "FOR_ITER"]
    return sorted((loop_at(code, offset) for offset in heads), key=lambda loop: loop.line or 0)


def one(function: Callable[..., Any]) -> Loop:
    (loop,) = loops_of(function)
    return loop


def sums(items: Any, scale: int) -> Any:
    total = 0
    for x in items:
        y = x * scale
        total += y
    return total, y


def test_what_is_carried() -> None:
    loop = one(sums)
    assert loop.carried == {"total"}
    assert loop.stored == {"total", "x", "y"}
    assert {"scale", "total", "x", "y"} <= loop.read
    assert "items" not in loop.read
    assert not loop.exits
    assert not loop.refusal


def on_some_paths(items: Any) -> Any:
    for x in items:
        if x > 1:
            last = x
        elif x < 0:
            continue
        print(last)


def in_handlers(items: Any) -> Any:
    for x in items:
        try:
            y = 1 / x
        except ZeroDivisionError as error:
            print(error)
        print(y)


def test_a_store_on_some_paths_is_none() -> None:
    assert one(on_some_paths).carried == {"last"}
    assert one(in_handlers).carried == {"y"}


def after_a_finally(items: Any) -> Any:
    for x in items:
        try:
            print(x)
        finally:
            y = x
        with io.StringIO() as file:
            file.write(y)


def test_stored_on_all_paths() -> None:
    loop = one(after_a_finally)
    assert not loop.carried
    assert {"y", "file"} <= loop.stored


def with_comprehensions(items: Any, k: int) -> Any:
    for x in items:
        y = x + 1
        print([y * j for j in range(3)], dict.fromkeys("ab", y))
    return k


def with_a_clash(items: Any, j: int) -> Any:
    for x in items:
        print([j * j for j in range(x)], j)


def test_comprehensions_keep_their_variables() -> None:
    (loop, *_) = loops_of(with_comprehensions)
    assert not loop.carried
    (loop, *_) = loops_of(with_a_clash)
    assert loop.carried <= {"j"}  # inlined or not


def counts_inside(items: Any) -> Any:
    count = 0

    def add() -> None:
        nonlocal count
        count += 1

    for _ in items:
        add()
        print(count)


def test_functions_that_assign() -> None:
    assert one(counts_inside).carried == {"count"}


def left(items: Any) -> Any:
    try:
        for x in items:
            for y in x:
                if y:
                    break
            else:
                continue
            if x:
                return x
            break
    finally:
        print("behind the loop")


def test_exits_and_what_is_behind_them() -> None:
    outer, inner = loops_of(left)
    assert len(outer.exits) == 2
    assert len(inner.exits) == 1
    assert inner.points < outer.points
    behind = [i.offset for i in dis.get_instructions(left) if i.argval == "behind the loop"]
    assert behind
    assert not outer.points & set(behind)


def suspends(items: Any) -> Any:
    for x in items:
        print((yield x))


def looks(items: Any) -> Any:
    for _ in items:
        print(locals())


def sets_a_global(items: Any) -> Any:
    global setting
    for x in items:
        setting = x


setting = 0


@pytest.mark.parametrize(
    ("function", "reason"),
    [(suspends, "yield"), (looks, "locals"), (sets_a_global, "'setting' as a global")],
)
def test_refused(function: Callable[..., Any], reason: str) -> None:
    assert reason in one(function).refusal


def test_no_head_of_a_loop() -> None:
    with pytest.raises(NotMigratable):
        loop_at(sums.__code__, 0)
