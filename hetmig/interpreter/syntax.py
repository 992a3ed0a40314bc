"""The syntax tree of a source: which node an instruction belongs to, by its position.

Positions differ a little between CPython versions, and those inside f-strings a lot.  So a node is
named by its path from the root, such as "body.0.value", which is the same in every version that
can parse the source; positions are only compared with those of the version they come from.
"""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython

__all__ = ["COMPREHENSIONS", "Position", "Syntax", "enclosing", "syntax_of"]

Position: TypeAlias = "tuple[int, int, int, int]"
"""First line, last line, first column, last column: in the order of `co_positions`."""

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)


class _Node(NamedTuple):
    path: str
    node: ast.AST


class Syntax:
    """The nodes of one source, by position and by path."""

    def __init__(self, source: str) -> None:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise NotMigratable(f"this Python can't parse the source: {error}") from None
        self._at: dict[Position, list[_Node]] = defaultdict(list)
        self._moved: dict[Position, list[_Node]] = defaultdict(list)
        self._statements: dict[int, list[_Node]] = defaultdict(list)
        self._comprehensions: set[str] = set()
        self._whiles: set[str] = set()
        for path, node in _walk(tree):
            self._add(_Node(path, node))

    def _add(self, found: _Node) -> None:
        node = found.node
        if isinstance(node, COMPREHENSIONS):
            self._comprehensions.add(found.path)
        if isinstance(node, ast.While):
            self._whiles.add(found.path)
        if not isinstance(node, ast.expr | ast.stmt | ast.pattern):
            return
        self._at[_position(node)].append(found)
        moved = _by_attribute(node)
        if moved is not None:
            self._moved[moved].append(found)
        if isinstance(node, ast.stmt):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                self._statements[line].append(found)

    def node_at(self, position: Position, *preferred: type[ast.AST]) -> str:
        """The path of the expression at exactly this position; "" if there is none.

        Of several, the first of the preferred types, or the outermost.
        """
        found = [*self._at.get(position, ()), *self._moved.get(position, ())]
        wanted: tuple[type[ast.AST], ...] = preferred
        paths = [path for path, node in found if isinstance(node, wanted)]
        paths += [path for path, node in found if isinstance(node, ast.expr)]
        return next(iter(paths), "")

    def is_a(self, position: Position, *types: type[ast.AST]) -> bool:
        """Whether a node of one of these types is at exactly this position."""
        found = [*self._at.get(position, ()), *self._moved.get(position, ())]
        return any(isinstance(node, types) for _, node in found)

    def loop_at(self, position: Position) -> str:
        """The path of the loop, or comprehension, that the compiler places here; "" if none.

        Depending on the version that is where its iterable is, or the loop itself.
        """
        paths = [path for path, _ in self._at.get(position, ())]
        for path, node in self._at.get(position, ()):
            if isinstance(node, ast.For | ast.AsyncFor):
                return path
            if not cpython.LOOPS_AT_ITERABLE and isinstance(
                node, (*COMPREHENSIONS, ast.GeneratorExp)
            ):
                return path
        iterable = next((path for path in paths if path.endswith(".iter")), "")
        loop = iterable.removesuffix(".iter")
        outer, generators, _ = loop.rpartition(".generators.")
        return outer if generators else loop

    def statement_at(self, position: Position) -> str:
        """The path of the innermost statement around a position; "" if there is none."""
        line, last, column, end = position
        inside = [
            found
            for found in self._statements.get(line, ())
            if _contains(_position(found.node), (line, last, column, end))
        ]
        # outer ones come first
        return inside[-1].path if inside else ""

    def begins_while(self, path: str) -> bool:
        """Whether a round of a `while` loop begins here: with its test, or already decided."""
        return path in self._whiles or path.removesuffix(".body.0") in self._whiles

    def in_comprehension(self, path: str) -> bool:
        """Whether a node is, or is in, a list, set or dict comprehension.

        Its first iterable is evaluated outside of it.
        """
        return any(
            path == outer
            or (path.startswith(f"{outer}.") and not path.startswith(f"{outer}.generators.0.iter"))
            for outer in enclosing(path)
            if outer in self._comprehensions
        )


def enclosing(path: str) -> Iterator[str]:
    """A path and all that lead to it, the innermost first."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _walk(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    todo: list[tuple[str, ast.AST]] = [("", tree)]
    while todo:
        path, node = todo.pop()
        yield path, node
        children: list[tuple[str, ast.AST]] = []
        for name, value in ast.iter_fields(node):
            prefix = f"{path}.{name}" if path else name
            if isinstance(value, ast.AST):
                children.append((prefix, value))
            elif isinstance(value, list):
                children.extend(
                    (f"{prefix}.{index}", item)
                    for index, item in enumerate(value)
                    if isinstance(item, ast.AST)
                )
        todo.extend(reversed(children))


def _position(node: ast.AST) -> Position:
    return (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)  # type: ignore[attr-defined]


def _contains(outer: Position, inner: Position) -> bool:
    return (outer[0], outer[2]) <= (inner[0], inner[2]) and (inner[1], inner[3]) <= (
        outer[1],
        outer[3],
    )


def _by_attribute(node: ast.AST) -> Position | None:
    """Where the compiler says that an attribute, or a method's call, on a later line begins."""
    attribute = node.func if isinstance(node, ast.Call) else node
    if not isinstance(attribute, ast.Attribute) or node.lineno == attribute.end_lineno:  # type: ignore[attr-defined]
        return None
    line, column = attribute.end_lineno or 0, attribute.end_col_offset or 0
    last: int = node.end_lineno  # type: ignore[attr-defined]
    return (line, last, column - len(attribute.attr), column)


@functools.lru_cache(maxsize=64)
def syntax_of(source: str) -> Syntax:
    """The (cached) syntax of a source.  Raises NotMigratable if it can't be parsed here."""
    return Syntax(source)
