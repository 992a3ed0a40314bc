"""What an instruction does, in the words of the source: a call, a step of a loop, a `yield`."""

from __future__ import annotations

import ast
from typing import TypeAlias

from hetmig.interpreter import cpython
from hetmig.interpreter.labels import callee_of, is_constant
from hetmig.interpreter.roles import Roles
from hetmig.interpreter.stackmap import Point

__all__ = ["Event", "Events"]

Event: TypeAlias = "tuple[str, str]"
"""Its kind, and the path of the node in the syntax tree."""


class Events:
    """Those of one code object."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._map = roles.map
        self._is_expression = roles.code.co_name == "<genexpr>"

    def of(self, point: Point) -> Event | None:
        """Kind and node of a call, a step of a loop, a `yield`; None for all else."""
        rule = _RULES.get(point.name)
        if rule is None or point.start not in self._roles.before:
            return None
        found = rule(self, point)
        if found is None or found[1] or (self._is_expression and found[0] == "yield"):
            return found
        return None

    def _call(self, point: Point) -> Event | None:
        callee = callee_of(point, self._roles.before[point.start])
        if callee.role in ("exit", "enter"):
            return ("leave" if callee.role == "exit" else "enter"), callee.node
        if callee.role in ("build class", "maker") or is_constant(callee):
            return None
        position = self._roles.position(point)
        if position is None:
            return None
        syntax = self._roles.syntax
        node = syntax.node_at(position, ast.Call)
        if not node:
            return None
        if syntax.is_a(position, ast.Call) and callee.node != node:
            return "call", node
        return "decorate", node

    def _with(self, point: Point) -> Event:
        return "enter", self._roles.before[point.start][-1].node or self._roles.node(point)

    def _leave(self, point: Point) -> Event:
        labels = reversed(self._roles.before[point.start])
        return "leave by exception", next((one.node for one in labels if one.role == "exit"), "")

    def _attribute(self, point: Point) -> Event:
        what = {"S": "set attribute", "D": "delete attribute"}.get(point.name[0], "attribute")
        return what, self._roles.node(point, ast.Attribute)

    def _item(self, point: Point) -> Event | None:
        if point.name == "BINARY_OP" and point.argument != cpython.SUBSCRIPT_OPERATOR:
            return None
        what = {"S": "set item", "D": "delete item"}.get(point.name[0], "item")
        return what, self._roles.node(point, ast.Subscript)

    def _iterate(self, point: Point) -> Event:
        return "iterate", self._roles.before[point.start][-1].node or self._roles.node(point)

    def _step(self, point: Point) -> Event:
        return ("anext" if point.name == "GET_ANEXT" else "next"), self._roles.loop(point)

    def _send(self, point: Point) -> Event:
        receiver = self._roles.before[point.start][cpython.SEND_RECEIVER]
        return f"send {receiver.role} {receiver.name}".rstrip(), receiver.node

    def _yield(self, point: Point) -> Event:
        back = self._map.at(self._map.at(point.end).end)
        if back.jump is not None and self._map.at(back.jump).name == "SEND":
            send = self._map.at(back.jump)
            if back.jump < point.start and send.end <= point.start:
                return self._send(send)
        # that of a generator expression is placed anywhere
        node = "" if self._is_expression else self._roles.node(point, ast.Yield)
        return "yield", node


_RULES = {
    "CALL": Events._call,
    "CALL_KW": Events._call,
    "CALL_FUNCTION_EX": Events._call,
    "BEFORE_WITH": Events._with,
    "BEFORE_ASYNC_WITH": Events._with,
    "WITH_EXCEPT_START": Events._leave,
    "LOAD_ATTR": Events._attribute,
    "LOAD_METHOD": Events._attribute,
    "STORE_ATTR": Events._attribute,
    "DELETE_ATTR": Events._attribute,
    "BINARY_SUBSCR": Events._item,
    "BINARY_OP": Events._item,
    "BINARY_SLICE": Events._item,
    "STORE_SLICE": Events._item,
    "STORE_SUBSCR": Events._item,
    "DELETE_SUBSCR": Events._item,
    **({} if cpython.LOOP_POSITIONS else {"GET_ITER": Events._iterate}),
    "FOR_ITER": Events._step,
    "GET_ANEXT": Events._step,
    "SEND": Events._send,
    "YIELD_VALUE": Events._yield,
}
