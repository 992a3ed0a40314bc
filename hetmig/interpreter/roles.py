"""What each value-stack slot is to the program: iterator of this loop, value of that expression.

The depth of the stack and the order of its slots are CPython's own affair, and differ between
versions.  What a slot is *for* follows from the source.  So each instruction labels what it pushes
with a role and the node of the syntax tree that it stands for; on the way the labels are copied,
swapped and merged just as the values are.  `bytecode` knows how many values an instruction takes
and leaves; what is added here is which ones, and what they are called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import CodeType

from hetmig.errors import NotMigratable
from hetmig.interpreter import cpython
from hetmig.interpreter.activation import slot_names
from hetmig.interpreter.labels import Label, Labels, merged
from hetmig.interpreter.role_rules import PREFERRED, RULES, leaves_nothing
from hetmig.interpreter.stackmap import Point, StackMap, stack_map
from hetmig.interpreter.syntax import Position, Syntax

__all__ = ["UNCONDITIONAL", "Roles", "successors"]


class Roles:
    """The labels of a code object's value stack before each instruction."""

    def __init__(self, code: CodeType, syntax: Syntax) -> None:
        """Raises NotMigratable for code whose slots can't be told."""
        self.code = code
        self.map: StackMap = stack_map(code)
        self.syntax = syntax
        self.names = slot_names(code)
        self._positions = list(code.co_positions())
        self.before: dict[int, Labels] = {}
        self._interpret()

    def position(self, point: Point) -> Position | None:
        """Where in the source an instruction comes from; None for the compiler's own."""
        unit = point.offset // 2
        known = unit < len(self._positions)  # somebody may have taken the table away
        line, last, column, end = self._positions[unit] if known else (None,) * 4
        if line is None or last is None or column is None or end is None:
            return None
        return line, last, column, end

    def node(self, point: Point, *preferred: type[ast.AST]) -> str:
        """The path of the node an instruction belongs to, "" if it is not an expression's."""
        position = self.position(point)
        return self.syntax.node_at(position, *preferred) if position else ""

    def delegation(self, point: Point) -> str:
        """The path of the `await` or `yield from` an instruction belongs to; "" if it does not."""
        position = self.position(point)
        if position and self.syntax.is_a(position, ast.Await, ast.YieldFrom):
            return self.syntax.node_at(position, ast.Await, ast.YieldFrom)
        return ""

    def loop(self, point: Point) -> str:
        """The path of the loop, or the comprehension, an instruction drives."""
        position = self.position(point)
        return self.syntax.loop_at(position) if position else ""

    def statement(self, point: Point) -> str:
        """The path of the innermost statement an instruction belongs to; "" if there is none."""
        position = self.position(point)
        return self.syntax.statement_at(position) if position else ""

    def constant(self, label: Label) -> object:
        """The value of a constant, as this version's code has it."""
        point = self.map.at(int(label.name))
        if point.name == "LOAD_CONST":
            return self.code.co_consts[point.argument]
        if point.name == "LOAD_SMALL_INT":
            return point.argument
        return cpython.common_constant(point.name, point.argument)

    def _interpret(self) -> None:
        todo: list[tuple[int, Labels]] = [(0, ())]
        while todo:
            start, labels = todo.pop()
            point = self.map.at(start)
            known = self.before.get(start)
            together = labels if known is None else merged(known, labels)
            if together == known:
                continue
            if point.before is None or len(together) != len(point.before):
                raise NotMigratable(
                    f"the value stack of {self.code.co_qualname} is of another depth "
                    f"at offset {start} than it should be"
                )
            self.before[start] = together
            todo.extend(self._successors(point, together))

    def _successors(self, point: Point, labels: Labels) -> Iterator[tuple[int, Labels]]:
        if point.name not in ("PUSH_EXC_INFO", "POP_EXCEPT", "NOT_TAKEN", "NOP"):
            for handler in self.map.handlers:
                if handler.start <= point.offset < handler.stop and handler.depth <= len(labels):
                    raised = (Label("raised at"),) if handler.push_last_instruction else ()
                    yield handler.target, labels[: handler.depth] + raised + (Label("exception"),)
        for target, jumps in successors(point):
            depth = len(self.map.at(target).before or ())
            yield target, self._execute(point, labels, depth, jumps)

    def _execute(self, point: Point, labels: Labels, depth: int, jumps: bool) -> Labels:
        special = RULES.get(point.name)
        if special is not None:
            labels = special(self, point, labels)
        elif jumps and point.name in ("FOR_ITER", "SEND"):
            return _ended(self, point, labels, depth)
        elif not leaves_nothing(point):
            taken = 1 - point.effect
            kept = labels[: len(labels) - taken] if taken else labels
            labels = (*kept, Label("value", self.node(point, *PREFERRED.get(point.name, ()))))
        # what an instruction takes without leaving anything, and what a jump takes besides
        missing = depth - len(labels)
        return labels[:depth] if missing <= 0 else labels + (Label("value"),) * missing


def successors(point: Point) -> Iterator[tuple[int, bool]]:
    """Where control may go from an instruction, and whether it jumps there; not by exceptions."""
    if point.jump is not None:
        yield point.jump, True
    if point.name.startswith("RETURN_") and point.name != "RETURN_GENERATOR":
        return
    if point.name not in ("RAISE_VARARGS", "RERAISE", *UNCONDITIONAL):
        yield point.end, False


UNCONDITIONAL = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")


def _ended(roles: Roles, point: Point, labels: Labels, depth: int) -> Labels:
    """Behind a loop, or behind a `yield from` or `await`, whose result is on top then."""
    if point.name == "SEND":
        return (*labels[: depth - 1], Label("value", roles.node(point, ast.Await, ast.YieldFrom)))
    return labels[:depth] if depth <= len(labels) else (*labels, Label("value"))
