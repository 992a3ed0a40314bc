"""What a function still does from a place on, and where another text of it does the same.

Two versions of a library's function often differ only in what is done before the place where a
frame stands, as `asyncio.sleep` checks its argument since 3.13.  If all that can still be executed
is written alike, the frame goes on in the other text just as well: the statements that follow, in
its block and in those around it; the whole of a loop it is in; the handlers and `finally` blocks
around it.
"""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Callable, Container, Iterator
from typing import Any, TypeAlias

from hetmig.interpreter.syntax import enclosing

__all__ = ["Correspondence", "Mapping"]

Mapping: TypeAlias = Callable[[str], str]
"""From the paths of nodes in one text to those in another."""
_Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
_Found: TypeAlias = "tuple[list[tuple[str, str]], bool] | None"
"""The steps that lead to a place in both, and whether what follows the statement is executed."""

_OF_NO_MEANING = frozenset({"type_comment", "kind", "ctx"})
_LEAVE = (ast.Return, ast.Raise)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_BLOCKS = ("body", "orelse", "finalbody", "handlers")
_STILL = {
    "body": ("handlers", "orelse", "finalbody"),
    "handlers": ("finalbody",),
    "orelse": ("finalbody",),
    "finalbody": (),
}
"""By the block of a `try` that a frame stands in, which others may still be executed."""


def _nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass)


class Correspondence:
    """Where places of a function are in another text of the same function.

    Both texts hold the function alone.  `idle` tells of a statement that it does nothing which
    matters.  Raises SyntaxError for what can't be read here.
    """

    def __init__(self, theirs: str, ours: str, idle: Callable[[ast.stmt], bool] = _nothing) -> None:
        self._theirs, self._from = _function(ast.parse(theirs))
        self._ours, self._to = _function(ast.parse(ours))
        self._idle = idle
        one, two = _is_local(self._theirs), _is_local(self._ours)
        self._comparable = type(self._theirs) is type(self._ours) and all(
            one[name] == two[name] for name in one.keys() & two.keys()
        )
        """Whether the kind is the same, and each name of both is a variable in both or in none."""

    @property
    def arguments(self) -> tuple[list[str], list[str]]:
        """The names of the positional arguments, theirs and ours."""
        theirs, ours = (
            [each.arg for each in (*one.args.posonlyargs, *one.args.args)]
            for one in (self._theirs, self._ours)
        )
        return theirs, ours

    def is_whole(self, optional: Container[str] = ()) -> bool:
        """Whether both do the same from the beginning, with arguments of the same names.

        Those that are `optional` may be missing.
        """
        return (
            self._comparable
            and _names(self._theirs, optional) == _names(self._ours, optional)
            and self._alike(_body(self._theirs), _body(self._ours))
        )

    def mapping(self, path: str) -> Mapping | None:
        """What leads paths of their text to ours, for a frame that stands at a node of theirs.

        None if something else is done from there on.  What has not begun (its path is "") is a
        call that is still to be made: only its arguments have to be the same.
        """
        if not self._comparable:
            return None
        if not path:
            same = _names(self._theirs, ()) == _names(self._ours, ())
            return (lambda other: other) if same else None
        steps = path.removeprefix(f"{self._from}.").split(".")
        if steps[0] != "body":
            return None
        found = self._within(self._theirs, self._ours, steps)
        return None if found is None else self._led(found[0])

    def same_statement(self, path: str, texts: Container[str]) -> Mapping | None:
        """The same for a statement of one of these texts, whatever is done from there on.

        None if it is not exactly one statement in both.
        """
        pairs = dict(_statements(self._theirs, self._from))
        statement = next((outer for outer in enclosing(path) if outer in pairs), "")
        text = ast.unparse(pairs[statement]) if statement else ""
        if text not in texts or not self._comparable:
            return None
        others = [
            [place for place, each in found if ast.unparse(each) == text]
            for found in (pairs.items(), _statements(self._ours, self._to))
        ]
        if [len(each) for each in others] != [1, 1]:
            return None
        to = others[1][0]
        return lambda other: to + other[len(statement) :] if other.startswith(statement) else other

    def _led(self, steps: list[tuple[str, str]]) -> Mapping:
        at, to = self._from, self._to
        pairs = {at: to}
        for one, two in steps:
            at, to = f"{at}.{one}", f"{to}.{two}"
            pairs[at] = to

        def led(path: str) -> str:
            outer = next((outer for outer in enclosing(path) if outer in pairs), None)
            return path if outer is None else pairs[outer] + path[len(outer) :]

        return led

    # -- blocks and statements

    def _within(self, theirs: Any, ours: Any, steps: list[str]) -> _Found:
        """A place in a block of a node."""
        field, number, *rest = steps
        block, others = getattr(theirs, field), getattr(ours, field)
        index = int(number)
        follows = self._executed(block[index + 1 :])
        for candidate, other in enumerate(others):
            inner = self._statement(block[index], other, rest)
            if inner is None:
                continue
            pairs, falls = inner
            if not falls or self._alike(follows, self._executed(others[candidate + 1 :])):
                step = f"{field}.{index}", f"{field}.{candidate}"
                return [step, *pairs], falls and not _is_left(follows)
        return None

    def _statement(self, theirs: ast.stmt, ours: ast.stmt, steps: list[str]) -> _Found:
        """A place in a statement."""
        if type(theirs) is not type(ours):
            return None
        if steps and steps[0] in _BLOCKS and not isinstance(theirs, _LOOPS):
            if isinstance(theirs, ast.If):
                return self._within(theirs, ours, steps)
            if isinstance(theirs, ast.With | ast.AsyncWith):
                return self._with(theirs, ours, steps)
            # of `except*`, other handlers may follow: that must be wholly alike
            if isinstance(theirs, ast.Try):
                return self._try(theirs, ours, steps)
        return ([], not isinstance(theirs, _LEAVE)) if _identical(theirs, ours) else None

    def _with(self, theirs: Any, ours: Any, steps: list[str]) -> _Found:
        """A place in a `with` block, which has been entered: by what is not asked any more."""
        first, second = ([_entered(item) for item in each.items] for each in (theirs, ours))
        if not _identical(first, second):
            return None
        found = self._within(theirs, ours, steps)
        return found and (found[0], True)  # it may swallow an exception

    def _try(self, theirs: Any, ours: Any, steps: list[str]) -> _Found:
        field = steps[0]
        found = (self._handler if field == "handlers" else self._within)(theirs, ours, steps)
        still = ((getattr(theirs, name), getattr(ours, name)) for name in _STILL[field])
        if found is None or not all(self._alike(*both) for both in still):
            return None
        handled = field == "body" and not all(_is_left(each.body) for each in theirs.handlers)
        return found[0], found[1] or handled

    def _handler(self, theirs: Any, ours: Any, steps: list[str]) -> _Found:
        """A place in an `except` block, which has been entered."""
        field, number, *rest = steps
        handler = theirs.handlers[int(number)]
        for candidate, other in enumerate(ours.handlers):
            if rest and handler.name == other.name:
                found = self._within(handler, other, rest)
                if found is not None:
                    step = f"{field}.{number}", f"{field}.{candidate}"
                    return [step, *found[0]], found[1]
        return None

    def _executed(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """What of a block can be executed."""
        ends = (index for index, each in enumerate(block) if isinstance(each, _LEAVE))
        return block[: next(ends, len(block)) + 1]

    def _alike(self, one: object, two: object) -> bool:
        """Whether two nodes, or lists of them, do the same wherever they stand."""
        return _identical(one, two, self._idle)


def _identical(one: object, two: object, idle: Callable[[ast.stmt], bool] | None = None) -> bool:
    """Whether two nodes, or lists of them, are written alike, but for what is idle."""
    if isinstance(one, ast.AST):
        return type(one) is type(two) and all(
            _identical(value, getattr(two, name, None), idle)
            for name, value in ast.iter_fields(one)
            if name not in _OF_NO_MEANING
        )
    if isinstance(one, list) and isinstance(two, list):
        first, second = (
            [each for each in both if not (idle and isinstance(each, ast.stmt) and idle(each))]
            for both in (one, two)
        )
        return len(first) == len(second) and all(
            _identical(*pair, idle) for pair in zip(first, second, strict=True)
        )
    return type(one) is type(two) and one == two


def _entered(item: ast.withitem) -> list[object]:
    """What matters of a context manager that has been entered: what it is, and its name."""
    made = item.context_expr
    return [made.func if isinstance(made, ast.Call) else made, item.optional_vars]


def _is_left(block: list[ast.stmt]) -> bool:
    """Whether what follows a block is never executed after it."""
    return any(isinstance(each, _LEAVE) for each in block)


def _function(tree: ast.Module) -> tuple[_Function, str]:
    """The function that a text holds, maybe indented, below an `if`."""
    statement, path = tree.body[0], "body.0"
    if isinstance(statement, ast.If):
        statement, path = statement.body[0], "body.0.body.0"
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        raise SyntaxError("the text holds no function")
    return statement, path


class _Alone(ast.NodeTransformer):
    """Makes a function one that stands alone: what it shares with others is outside of it."""

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.Global:
        return ast.Global(node.names)


def _is_local(function: _Function) -> dict[str, bool]:
    """The names in a function, and which of them are variables of its own."""
    alone = ast.unparse(_Alone().visit(copy.deepcopy(function)))
    table = symtable.symtable(alone, "<function>", "exec")
    functions = [each for each in table.get_children() if each.get_type() == "function"]
    if not functions:
        raise SyntaxError("a generic function")
    return {each.get_name(): each.is_local() for each in functions[0].get_symbols()}


def _names(function: _Function, optional: Container[str]) -> list[tuple[str, list[str]]]:
    found = []
    for name, value in ast.iter_fields(function.args):
        if name not in ("defaults", "kw_defaults"):
            given = value if isinstance(value, list) else [value]
            names = [each.arg for each in given if each is not None]
            found.append((name, [each for each in names if each not in optional]))
    return found


def _body(function: _Function) -> list[ast.stmt]:
    """The statements of a function without its documentation."""
    first = function.body[0]
    value = first.value if isinstance(first, ast.Expr) else None
    documented = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return function.body[1:] if documented else function.body


def _statements(node: ast.AST, path: str) -> Iterator[tuple[str, ast.stmt]]:
    """The statements in a function and their paths, but for those of functions inside it."""
    for name, value in ast.iter_fields(node):
        if not isinstance(value, list):
            continue
        for index, each in enumerate(value):
            here = f"{path}.{name}.{index}"
            if isinstance(each, ast.stmt):
                yield here, each
            if isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case) and not isinstance(
                each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            ):
                yield from _statements(each, here)
