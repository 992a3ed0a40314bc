"""In each version of Python: the resume points of a module, and which of another's have a place.

`python -m benchmarks.layouts` answers requests on standard input, one JSON value a line.
"""

from __future__ import annotations

import ast
import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from types import CellType, CodeType
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.interpreter.activation import Resume, slot_names
from hetmig.interpreter.points import Place, Places
from hetmig.interpreter.portable import (
    PortableActivation,
    ResumePoint,
    from_portable,
    places_of,
    resume_point,
)
from hetmig.interpreter.roles import FILLED, callee_of
from hetmig.interpreter.stackmap import Point
from hetmig.interpreter.syntax import Position

__all__ = ["main"]

_CALLS = frozenset({"call", "decorate", "enter", "leave", "leave by exception"})
_RESUME = {
    "loops": Resume.AGAIN,
    "implied loops": Resume.AGAIN,
    "yields": Resume.YIELDED,
    "awaits": Resume.YIELDED,
}
_IMPLIED = frozenset(
    {"attribute", "item", "iterate", "set attribute", "delete attribute", "set item", "delete item"}
)


def main() -> None:
    """Serve until the other side is gone."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        path, points = json.loads(line)
        with open(path, encoding="utf-8") as file:
            source = file.read()
        sys.stdout.write(json.dumps(_answer(path, source, points)) + "\n")
        sys.stdout.flush()


def _answer(path: str, source: str, points: dict[str, list[Any]] | None) -> object:
    try:
        codes = _codes(compile(source, path, "exec", dont_inherit=True))
    except SyntaxError:
        return None
    return _points(codes, source) if points is None else _matched(codes, points, source)


def _codes(code: CodeType) -> dict[str, CodeType]:
    """The code objects of a module by what names them in every version."""
    found: dict[str, CodeType] = {}
    count: Counter[str] = Counter()
    for inner in _nested(code):
        key = f"{inner.co_qualname}:{inner.co_firstlineno}"
        found[f"{key} {count[key]}"] = inner
        count[key] += 1
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


# -- the resume points of a module


def _points(codes: dict[str, CodeType], source: str) -> dict[str, list[Any]]:
    return {
        key: list(_resume_points(code, source))
        for key, code in codes.items()
        if _may_stand_in(code)
    }


def _may_stand_in(code: CodeType) -> bool:
    """No class bodies, which never move; no comprehensions; nothing that no source says."""
    is_body = not code.co_flags & 2 and code.co_name != "<module>"
    own = ("<listcomp>", "<setcomp>", "<dictcomp>", "__annotate__")
    return not is_body and not any(part in own for part in code.co_qualname.split("."))


def _resume_points(code: CodeType, source: str) -> Iterator[tuple[str, object, object, object]]:
    try:
        places = places_of(code, source)
    except NotMigratable as error:
        yield "calls", error.reason, None, None
        return
    names = slot_names(code)
    for start in sorted(places.roles.before):
        point = places.roles.map.at(start)
        category = _category(places, point)
        if category is None:
            continue
        try:
            place = places.at(_stands_at(point), _RESUME.get(category, Resume.AFTER))
            named = resume_point(places, place)
        except NotMigratable as error:
            yield category, error.reason, None, None
            continue
        if not places.roles.syntax.in_comprehension(place.name.node):
            yield category, named, _entries(place, places.roles.position(point)), names


def _category(places: Places, point: Point) -> str | None:
    if point.name == "JUMP_BACKWARD" or point.name.startswith("POP_JUMP_BACKWARD"):
        return "loops" if _is_written(places, point) else "implied loops"
    event = places.event(point)
    if event is None:
        position = places.roles.position(point)
        plain = position and places.roles.syntax.is_a(position, ast.Yield, ast.Await, ast.YieldFrom)
        return "yields" if point.name == "YIELD_VALUE" and plain else None
    if point.name == "YIELD_VALUE":
        return "yields" if event[0] == "yield" else "awaits"
    if event[0] in _CALLS:
        # no Python code runs in a call of `super`, which newer versions don't even make
        is_super = (
            event[0] == "call"
            and callee_of(point, places.roles.before[point.start]).name == "super"
        )
        return None if is_super else "calls"
    return "implied" if event[0] in _IMPLIED else None


def _is_written(places: Places, point: Point) -> bool:
    """Whether the program says so: newer compilers write a loop of their own for `any(...)`."""
    target = places.roles.map.at(point.jump or 0)
    return target.name != "FOR_ITER" or places.event(target) is not None


def _stands_at(point: Point) -> int:
    # where a test ends a loop, a frame stands behind its jump, or at its target
    ends = point.name.startswith("POP_JUMP_BACKWARD") and point.jump is not None
    return (point.jump or 0) if ends else point.start


def _entries(place: Place, position: Position | None) -> list[object]:
    return [
        (["constant", label.node, ""], None)
        if label.role == "constant"
        else (label, (position[0], "") if label.role == "raised at" and position else None)
        for label in place.labels
        if label.role not in (*FILLED, "nothing", "maker")
    ]


# -- those of another version


def _matched(
    codes: dict[str, CodeType], points: dict[str, list[Any]], source: str
) -> dict[str, Any]:
    total: Counter[str] = Counter()
    mapped: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for key, found in points.items():
        for category, point, roles, names in found:
            total[category] += 1
            try:
                if roles is None:
                    raise NotMigratable(point)
                _map(codes.get(key), point, roles, names, source)
            except NotMigratable as error:
                refused[f"{category}: {key} {point}: {error.reason}"] += 1
            else:
                mapped[category] += 1
    return {"total": total, "mapped": mapped, "refused": refused}


def _map(
    code: CodeType | None, point: list[Any], roles: list[Any], names: list[str], source: str
) -> None:
    """Fill this version's layout with stand-ins for values.  Raises NotMigratable."""
    if code is None:
        raise NotMigratable("this Python has no such function")
    resume, kind, node, later, level, _ = point
    shared = {*code.co_cellvars, *code.co_freevars}
    cells = tuple(name for name in names if name in shared)
    named = ResumePoint(resume, kind, node, tuple(later), level, cells)
    # any callable stands in for a value
    stack = [(tuple(role), len if value is None else value) for role, value in roles]
    here = {*slot_names(code)}
    # what only one version has as a variable of this function belongs to a comprehension
    variables: dict[str, object] = {
        name: CellType(None) if name in shared else None for name in names if name in here
    }
    handled: list[BaseException | None] = [None for role, _ in roles if role[0] == "previous"]
    from_portable(
        PortableActivation(code, {}, named, variables, stack, handled, None, None, Resume(resume)),
        source,
    )


if __name__ == "__main__":
    main()
