"""Which code object in a text: found again in every Python that can compile that text.

A code object is named by the node of the syntax tree that it is compiled from, and the node by its
number in the tree: the tree is made of the text alone, whereas names of code objects
(`<listcomp>`, `f.<locals>.<lambda>`) and their places among constants differ between versions.
Which code object is compiled from which node is told by name and first line, and where these are
those of several (the lambdas on a line), by the position of the instruction that loads it.
"""

from __future__ import annotations

import ast
import dis
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeAlias

from hetmig.state.code import nested

__all__ = ["Scope", "Scopes", "match"]

_DIGEST_SIZE = 16
_NAMES: dict[type[ast.AST], str] = {
    ast.Module: "<module>",
    ast.Lambda: "<lambda>",
    ast.GeneratorExp: "<genexpr>",
    ast.ListComp: "<listcomp>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
}
"""What their code objects are called; those of functions and classes have their names."""

_Span: TypeAlias = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class Scope:
    """A node which may have a code object of its own."""

    node: ast.AST
    kind: str
    """The class of the node."""
    path: tuple[str, ...]
    """The names of the scopes around it but the module, outermost first, and its own."""

    @property
    def name(self) -> str:
        """What its code object is called."""
        return self.path[-1]

    @property
    def first_line(self) -> int:
        """What its code object has as `co_firstlineno`."""
        decorators = getattr(self.node, "decorator_list", None)
        return int(getattr(decorators[0] if decorators else self.node, "lineno", 1))

    @property
    def span(self) -> _Span:
        """Its position: lines from 1, columns in bytes of UTF-8 from 0."""
        node = self.node
        if not isinstance(node, ast.expr | ast.stmt):
            return None, None, None, None
        return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


class Scopes(list[Scope]):
    """The scopes of a text, in the order of its syntax tree.  Raises SyntaxError."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        super().__init__(_scopes(ast.parse(text), ()))

    def digest(self, index: int) -> bytes:
        """Of the text of one of them: of all its lines, or of the very characters of a lambda."""
        scope = self[index]
        first, last, start, end = scope.span
        if first is None or last is None:
            chosen = self._lines
        elif isinstance(scope.node, ast.stmt):
            chosen = [line.rstrip() for line in self._lines[scope.first_line - 1 : last]]
        else:
            chosen = self._expression(first, last, start, end)
        text = "\n".join(chosen).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=_DIGEST_SIZE).digest()

    def alone(self, number: int) -> str:
        """A text that has nothing but this scope, at the very lines and columns."""
        first, last, start, end = self[number].span
        if first is None or last is None or start is None:
            return "\n".join(self._lines)
        if isinstance(self[number].node, ast.stmt):
            first = self[number].first_line
            before = [""] * (first - 1)
            if start:
                before[-1] = "if 1:"
            return "\n".join([*before, *self._lines[first - 1 : last], ""])
        lines = self._expression(first, last, start, end)
        if start:
            lines[0] = "(" + " " * (start - 1) + lines[0]
            lines[-1] += ")"
        return "\n".join([*[""] * (first - 1), *lines, ""])

    def around(self, number: int) -> str:
        """The same for the outermost function around a scope, in its class if it is a method."""
        path, first = self[number].path, self[number].first_line
        outer = [
            scope
            for scope in self
            if path[: len(scope.path)] == scope.path
            and scope.first_line <= first <= (scope.span[1] or 0)
        ]
        owner = outer[0] if isinstance(outer[0].node, ast.ClassDef) else None
        index = self.index(outer[1 if owner is not None and len(outer) > 1 else 0])
        text = self.alone(index)
        return text if owner is None else text.replace("if 1:", f"class {owner.name}:", 1)

    def _expression(self, first: int, last: int, start: int | None, end: int | None) -> list[str]:
        pieces = [line.encode() for line in self._lines[first - 1 : last]]
        pieces[-1] = pieces[-1][:end]
        pieces[0] = pieces[0][start:]
        return [piece.decode("utf-8", "replace") for piece in pieces]

    def alike(self, kind: str, path: tuple[str, ...], digest: bytes) -> list[int]:
        """The scopes of this kind in this place whose text has this digest."""
        return [
            index
            for index, scope in enumerate(self)
            if scope.kind == kind and scope.path == path and self.digest(index) == digest
        ]


def _scopes(node: ast.AST, around: tuple[str, ...]) -> Iterator[Scope]:
    name = _NAMES.get(type(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        name = node.name
    if name is not None:
        path = (*around, name)
        yield Scope(node, type(node).__name__, path)
        if not isinstance(node, ast.Module):
            around = path
    for child in ast.iter_child_nodes(node):
        yield from _scopes(child, around)


def match(scopes: Scopes, compiled: CodeType) -> dict[int, CodeType]:
    """By the number of its scope, each code object of the module that the same text gave."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, scope in enumerate(scopes):
        groups[scope.name, scope.first_line].append(index)
    found: dict[int, CodeType] = {}
    unclear: set[tuple[str, int]] = set()
    for code in nested(compiled):
        group = groups.get((code.co_name, code.co_firstlineno), [])
        if len(group) == 1:
            found.setdefault(group[0], code)
        elif group:
            unclear.add((code.co_name, code.co_firstlineno))
    for key in unclear:
        _by_position(scopes, groups[key], list(_loaded(compiled, key)), found)
    return found


def _loaded(compiled: CodeType, key: tuple[str, int]) -> Iterator[tuple[CodeType, _Span]]:
    """The code objects of that name and line, and the positions of what loads them."""
    for code in nested(compiled):
        inner = [item for item in code.co_consts if isinstance(item, CodeType)]
        if any((item.co_name, item.co_firstlineno) == key for item in inner):
            for instruction in dis.get_instructions(code):
                loaded, where = instruction.argval, instruction.positions
                if (
                    isinstance(loaded, CodeType)
                    and (loaded.co_name, loaded.co_firstlineno) == key
                    and where is not None
                ):
                    span = where.lineno, where.end_lineno, where.col_offset, where.end_col_offset
                    yield loaded, span


def _by_position(
    scopes: Scopes,
    group: list[int],
    loaded: list[tuple[CodeType, _Span]],
    found: dict[int, CodeType],
) -> None:
    by_span: dict[_Span, list[int]] = defaultdict(list)
    for index in group:
        by_span[scopes[index].span].append(index)
    left = []
    for code, span in loaded:
        indices = by_span.get(span, [])
        if len(indices) == 1:
            found.setdefault(indices[0], code)
        else:
            left.append(code)
    open_ones = [index for index in group if index not in found]
    if len(left) == len(open_ones):  # without positions (-X no_debug_ranges) their order says it
        found.update(zip(open_ones, left, strict=True))
