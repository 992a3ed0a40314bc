"""The stack map agrees with the compiler on the code of the standard library."""

import types
import warnings
from pathlib import Path

import pytest

from hetmig.interpreter.stackmap import Slot, StackMap, stack_map

LIBRARY = Path(types.__file__).parent
MODULES = sorted(LIBRARY.glob("*.py"))[::3] + sorted((LIBRARY / "asyncio").glob("*.py"))


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_depths_fit_in_what_the_compiler_reserved(path):
    for code in codes(compile(path.read_bytes(), str(path), "exec")):
        points = {point.start: point for point in StackMap(code)._points.values()}.values()
        deepest = max(len(point.before) for point in points if point.before is not None)
        assert deepest <= code.co_stacksize
        for point in points:
            if point.before is not None and point.name in ("RETURN_VALUE", "RETURN_CONST"):
                assert Slot.PREVIOUS_EXCEPTION not in point.before, code.co_qualname


def test_handlers_mark_the_exception_before():
    def program():
        try:
            first()
        except ValueError:
            try:
                second()
            except KeyError:
                third()

    map_ = stack_map(program.__code__)
    calls = [
        point
        for offset, point in map_._points.items()
        if point.start == offset and point.name == "CALL"
    ]
    marks = [point.before.count(Slot.PREVIOUS_EXCEPTION) for point in calls]
    assert marks == [0, 1, 2]


def first(): ...


second = third = first


def test_a_handler_that_the_table_names_by_mistake():
    # CPython 3.14 covers a NOT_TAKEN of the copied `finally` with the handler of another block
    source = """
def program():
    try:
        try:
            first()
        except ValueError:
            try:
                second()
            finally:
                return [third(), 2][third()]
    finally:
        if first:
            pass
"""
    namespace = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # `return` in `finally`
        exec(source, namespace)
    map_ = stack_map(namespace["program"].__code__)
    assert all(point.before is not None for point in map_._points.values() if "CALL" in point.name)


def test_an_offset_in_a_prefix_or_a_cache_finds_its_instruction():
    source = "def f():\n" + "".join(f"    v{i} = {i}\n" for i in range(300)) + "    f()\n"
    namespace = {}
    exec(source, namespace)
    map_ = stack_map(namespace["f"].__code__)
    wide = [p for p in map_._points.values() if p.offset > p.start]
    cached = [p for p in map_._points.values() if p.end > p.offset + 2]
    assert wide
    assert cached
    for point in (*wide, *cached):
        assert map_.at(point.start) is map_.at(point.offset) is map_.at(point.end - 2) is point
