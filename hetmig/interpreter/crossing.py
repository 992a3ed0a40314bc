"""Which resume points of a source have a place in another version of Python, without running it.

Each version compiles the source and lists its resume points by meaning; another looks for a place
for each.  `python -m hetmig.interpreter.crossing` answers such requests from standard input, one
JSON value a line, so that every version can be asked from one process; see `Interpreter`.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import json
import os
import subprocess
import sys
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CellType, CodeType, TracebackType
from typing import Any, NamedTuple

from hetmig.errors import HetmigError, NotMigratable
from hetmig.interpreter.activation import Resume, slot_names
from hetmig.interpreter.labels import FILLED, callee_of
from hetmig.interpreter.points import Place, Places
from hetmig.interpreter.portable import (
    PortableActivation,
    ResumePoint,
    from_portable,
    places_of,
    resume_point,
)
from hetmig.interpreter.stackmap import Point
from hetmig.interpreter.syntax import Position

__all__ = [
    "IMPLIED",
    "INLINED",
    "VISIBLE",
    "Crossing",
    "Interpreter",
    "Points",
    "points_of",
    "reasons",
]

VISIBLE = ("calls", "loops", "yields", "awaits")
"""What a reader of the source sees."""
INLINED = ("comprehensions",)
"""What stands in a list, set or dict comprehension."""
IMPLIED = ("implied calls", "implied loops")
"""Getters and setters, `__iter__`, and loops that a version writes for `any(...)` and the like."""


class Crossing(NamedTuple):
    """A resume point, as plain data that every version understands."""

    category: str
    line: int
    what: str
    point: list[Any] | None
    """A `ResumePoint`; None if it has no name that others understand."""
    roles: list[Any]
    """Role of each value on the stack; with where an exception was raised, if it says so."""
    names: list[str]
    """The variables of its function."""
    reason: str = ""
    """Why it has no name."""


Points = dict[str, list[Crossing]]
"""By function: qualified name, first line, and which of several."""


# -- the resume points of a source


@functools.lru_cache(maxsize=1)
def _module(path: str) -> tuple[dict[str, CodeType], str]:
    """Several questions are asked of each module, and code objects are known by identity."""
    with tokenize.open(path) as file:
        source = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _codes(compile(source, path, "exec", dont_inherit=True)), source


def _codes(code: CodeType) -> dict[str, CodeType]:
    """The code objects of a module by what names them in every version."""
    found: dict[str, CodeType] = {}
    count: Counter[str] = Counter()
    for inner in _nested(code):
        key = f"{inner.co_qualname}:{inner.co_firstlineno}"
        found[f"{key}:{count[key]}"] = inner
        count[key] += 1
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def points_of(path: str) -> Points:
    """The resume points of a source file here.  Raises SyntaxError, UnicodeDecodeError, OSError."""
    codes, source = _module(path)
    return {key: list(_points(code, source)) for key, code in codes.items() if _may_stand_in(code)}


def _may_stand_in(code: CodeType) -> bool:
    """No class bodies, which never move; nothing that no source says."""
    is_body = not code.co_flags & 2 and code.co_name != "<module>"
    return not is_body and "__annotate__" not in code.co_qualname.split(".")


_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
"""Functions of their own, in older versions."""


_RESUME = {
    "loops": Resume.AGAIN,
    "implied loops": Resume.AGAIN,
    "yields": Resume.YIELDED,
    "awaits": Resume.YIELDED,
}


def _points(code: CodeType, source: str) -> Iterator[Crossing]:
    try:
        places = places_of(code, source)
    except NotMigratable as error:
        yield Crossing("calls", code.co_firstlineno, "all", None, [], [], error.reason)
        return
    names = list(slot_names(code))
    inlined = not _COMPREHENSIONS.isdisjoint(code.co_qualname.split("."))
    for start in sorted(places.roles.before):
        point = places.roles.map.at(start)
        category, position = _category(places, point), places.roles.position(point)
        if category is None:
            continue
        line = position[0] if position else code.co_firstlineno
        try:
            place = places.at(_stands_at(point), _RESUME.get(category, Resume.AFTER))
            named = list(resume_point(places, place))
            if category in ("loops", "implied loops"):  # the jump itself is on no line, or on any
                position = places.roles.position(places.roles.map.at(place.offset))
                line = position[0] if position else line
            inside = inlined or places.roles.syntax.in_comprehension(place.name.node)
            if inside and category in VISIBLE:
                category = INLINED[0]
            yield Crossing(category, line, place.name.kind, named, _roles(place, position), names)
        except NotMigratable as error:
            yield Crossing(category, line, point.name, None, [], names, error.reason)


def _stands_at(point: Point) -> int:
    # where a test ends a loop, a frame stands behind its jump, or at its target
    ends = point.name.startswith("POP_JUMP_BACKWARD") and point.jump is not None
    return (point.jump or 0) if ends else point.start


_CALLS = frozenset({"call", "decorate", "enter", "leave", "leave by exception"})


def _category(places: Places, point: Point) -> str | None:
    if point.name == "JUMP_BACKWARD" or point.name.startswith("POP_JUMP_BACKWARD"):
        return "loops" if _is_written(places, point) else "implied loops"
    event = places.events.of(point)
    if point.name == "YIELD_VALUE":
        if event is not None:
            return "yields" if event[0] == "yield" else "awaits"
        position = places.roles.position(point)
        plain = position and places.roles.syntax.is_a(position, ast.Yield, ast.Await, ast.YieldFrom)
        return "yields" if plain else None
    if event is None or point.name in ("FOR_ITER", "SEND", "GET_ANEXT"):
        return None
    if event[0] not in _CALLS:
        return "implied calls"
    return None if event[0] == "call" and _calls_super(places, point) else "calls"


def _calls_super(places: Places, point: Point) -> bool:
    """No Python code runs in there, and newer versions don't even make the call."""
    return callee_of(point, places.roles.before[point.start]).name == "super"


def _is_written(places: Places, point: Point) -> bool:
    """Whether the program says so.

    Compilers also jump back from where an exception was dealt with, and newer ones write a loop of
    their own for `any(...)`.
    """
    try:
        name = places.at(point.jump or 0, Resume.AGAIN).name
    except NotMigratable:
        return False
    return name.kind in ("next", "anext") or places.roles.syntax.begins_while(name.node)


def _roles(place: Place, position: Position | None) -> list[Any]:
    return [
        (["constant", label.node, ""], None)
        if label.role == "constant"
        else (label, (position[0], "") if label.role == "raised at" and position else None)
        for label in place.labels
        if label.role not in (*FILLED, "nothing", "maker")
    ]


# -- those of another version


def reasons(path: str, points: Points) -> dict[str, list[str]]:
    """Why each of another version's resume points has no place here; "" if it has one."""
    codes, source = _module(path)
    return {
        key: [_reason(codes.get(key), Crossing(*crossing), source) for crossing in found]
        for key, found in points.items()
    }


def _reason(code: CodeType | None, crossing: Crossing, source: str) -> str:
    if crossing.point is None:
        return crossing.reason
    if code is None:
        return "this Python has no such function"  # a comprehension of its own, most often
    try:
        from_portable(_stand_in(code, crossing, crossing.point), source)
    except NotMigratable as error:
        return error.reason
    return ""


def _stand_in(code: CodeType, crossing: Crossing, point: list[Any]) -> PortableActivation:
    """A frame that holds nothing of interest."""
    resume, kind, node, later, level, _ = point
    shared, here = {*code.co_cellvars, *code.co_freevars}, {*slot_names(code)}
    cells = tuple(name for name in crossing.names if name in shared)
    # what only one version has as a variable of this function belongs to a comprehension
    variables: dict[str, object] = {
        name: CellType(None) if name in shared else None for name in crossing.names if name in here
    }
    # any callable stands in for a value
    stack: list[Any] = [(tuple(role), len if v is None else v) for role, v in crossing.roles]
    return PortableActivation(
        code,
        {},
        ResumePoint(resume, kind, node, tuple(later), level, cells),
        variables,
        stack,
        [None for role, _ in crossing.roles if role[0] == "previous"],
        None,
        None,
        Resume(resume),
    )


# -- another process


class Interpreter:
    """Another version of Python, which answers the same questions."""

    def __init__(self, python: Path) -> None:
        self._python = python
        root = str(Path(__file__).resolve().parent.parent.parent)
        self._process = subprocess.Popen(
            [python, "-m", __name__],
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # one that has died already gets no last line
        with contextlib.suppress(BrokenPipeError), self._process as process:
            assert process.stdin is not None
            process.stdin.close()

    def points_of(self, path: str) -> Points | None:
        """The same as the function; None if the source is none for that version."""
        found: dict[str, list[Any]] | None = self._ask(path, None)
        if found is None:
            return None
        return {key: [Crossing(*each) for each in points] for key, points in found.items()}

    def reasons(self, path: str, points: Points) -> dict[str, list[str]] | None:
        """The same as the function; None if the source is none for that version."""
        found: dict[str, list[str]] | None = self._ask(path, points)
        return found

    def _ask(self, path: str, points: Points | None) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([path, points]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        except (BrokenPipeError, ValueError):
            raise HetmigError(f"{self._python} can't be asked") from None


def _main() -> None:
    for line in sys.stdin:
        path, points = json.loads(line)
        try:
            answer: object = points_of(path) if points is None else reasons(path, points)
        except (SyntaxError, UnicodeDecodeError):
            answer = None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
