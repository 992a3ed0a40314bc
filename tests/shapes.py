"""The table of docs/shapes.md: each row names the case under torture that proves it.

`python -m tests.shapes` writes the page anew; a test compares, and runs the cases.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent.parent / "docs" / "shapes.md"


class Row(NamedTuple):
    """One shape of a program."""

    shape: str
    case: str
    """Module and name of the case, without `case_`."""
    refused: str = ""
    """If it is refused: a part of the reason."""

    @property
    def function(self) -> Callable[[], object]:
        """The case itself."""
        module, _, name = self.case.partition(".")
        found: Callable[[], object] = getattr(
            importlib.import_module(f"tests.cases.{module}"), f"case_{name}"
        )
        return found

    @property
    def verdict(self) -> str:
        """What the page says of it."""
        return "refused" if self.refused else "moves"


TABLE: dict[str, list[Row]] = {
    "Statements": [
        Row("`for` over a range, with `break`, `continue`, `else`", "loops.for_else"),
        Row("`while` with any condition", "loops.while_with_plain_comparison"),
        Row("nested loops over all kinds of containers", "loops.nested_loops_over_everything"),
        Row("`match`, also in loops", "language.match"),
        Row("`try`/`except`/`else`/`finally`", "exceptions.try_except_else_finally"),
        Row(
            "a bare `raise` after moving inside `except`",
            "exceptions.bare_raise_after_a_loop_in_except",
        ),
        Row("nested handlers: `sys.exception()`, `__context__`", "exceptions.nested_handlers"),
        Row("`except*` and exception groups", "language.exception_group"),
        Row("`raise ... from ...`", "language.raise_from"),
        Row("`finally` with `return`, `break`, `continue`", "language.return_in_finally_and_loops"),
        Row("`with`, several items, exceptions swallowed or not", "language.with_of_several_items"),
        Row(
            "`contextlib`: `contextmanager`, `ExitStack`, `suppress`",
            "boundaries.contextmanagers_of_the_library",
        ),
        Row("`del`, and variables never bound", "language.deleted_and_never_bound"),
        Row("`global` and `nonlocal`", "language.nonlocal_and_global"),
        Row("`import` inside of functions", "language.import_inside"),
        Row(
            "augmented assignment to attributes, items and slices", "language.augmented_assignment"
        ),
        Row("unpacking, starred targets", "language.unpacking"),
        Row("decorators while they are applied", "language.decorator_being_applied"),
        Row("a class body while it runs", "language.super_and_class_cell", "a class body"),
    ],
    "Expressions": [
        Row("calls pending in a half evaluated expression", "calls.calls_pending_in_an_expression"),
        Row("arguments of every kind, defaults, keywords", "calls.arguments_of_every_kind"),
        Row("star-calls of functions and methods", "calls.star_calls"),
        Row("displays, starred and `**` items", "language.comprehensions_of_every_kind"),
        Row(
            "comprehensions, nested ones, over outer variables",
            "language.comprehension_over_an_outer_variable",
        ),
        Row("walrus, conditional expressions", "language.walrus_and_conditional"),
        Row("chained comparisons, `and`, `or`", "language.chained_comparisons"),
        Row("slices and subscripts", "language.slices_and_subscripts"),
        Row("f-strings", "language.f_strings"),
        Row("`lambda`, evaluated defaults", "language.lambdas_and_defaults"),
        Row(
            "an operator's method (`__add__`, `__lt__`, `__contains__`)",
            "boundaries.arithmetic",
            "an operator",
        ),
        Row(
            "`__str__`, `__format__`, `__index__`, `__bool__`, `__len__`",
            "boundaries.text_protocols",
            "C-level call",
        ),
    ],
    "Functions, classes, calls": [
        Row("recursion, deep stacks", "language.deep_recursion"),
        Row("closures that share variables", "calls.shared_cells"),
        Row("`functools.wraps` chains", "language.decorators_that_wrap"),
        Row("`functools.partial`", "boundaries.partial"),
        Row("`Class(...)` into `__init__`, also of a base class", "boundaries.constructor"),
        Row("`Class(...)` into `__new__`", "boundaries.new"),
        Row("an instance's `__call__`", "boundaries.instance_call"),
        Row(
            "`super()`, `__class__`, class methods, static methods",
            "boundaries.class_and_static_methods",
        ),
        Row(
            "properties, `__getattr__`, `__getitem__`, `__setitem__`, `__delitem__`",
            "language.properties_and_items",
        ),
        Row(
            "`__enter__` and `__exit__`, also while an exception leaves",
            "boundaries.enter_and_exit",
        ),
        Row("dataclasses", "language.dataclass"),
        Row("`exec` and `eval` of source text", "language.executed_code"),
        Row(
            "a finalizer (`__del__`, a weak reference's callback)",
            "boundaries.finalizers_and_callbacks",
            "C-level call",
        ),
    ],
    "C functions that call Python": [
        Row("`sorted(key=f)`, `list.sort`", "boundaries.sorted_key", "sorted(...)"),
        Row("`list(map(f, ...))`", "boundaries.list_of_map", "list(...)"),
        Row(
            "`for x in map(f, ...)`, while `f` runs", "boundaries.map_in_a_for", "a loop's iterator"
        ),
        Row("`sum(generator)`, `any`, `all`, `join`", "boundaries.sum_of_a_generator", "sum(...)"),
        Row("`functools.reduce`", "boundaries.reduce", "reduce(...)"),
        Row("`re.sub` with a function", "boundaries.re_sub", "sub(...)"),
        Row("a function behind `lru_cache`", "boundaries.lru_cache", "cached(...)"),
        Row(
            "`__next__` of a class, called by a loop",
            "boundaries.python_iterator",
            "a loop's iterator",
        ),
    ],
    "Generators": [
        Row("driven by `for`", "generators.for_loop"),
        Row("driven by `next`, with and without default", "generators.next_and_default"),
        Row("driven by `send`, also through a variable", "generators.send_through_a_variable"),
        Row("`throw`, also down a chain of `yield from`", "generators.throw"),
        Row("`close`, while `finally` runs", "generators.close"),
        Row("`yield from`, recursive", "generators.recursive_yield_from"),
        Row("`yield` inside of expressions", "generators.expressions_around_a_yield"),
        Row("generator expressions, pipelines", "generators.pipeline"),
        Row("in `with`, `except`, `finally`", "generators.with_inside"),
        Row("the chain of handled exceptions on both sides", "generators.handled_exceptions"),
        Row("in attributes, shared by two owners", "generators.two_owners"),
        Row("holding itself", "generators.holds_itself"),
        Row(
            "driven by C: `zip`, `itertools.chain`",
            "generators.through_itertools",
            "a loop's iterator",
        ),
    ],
    "Coroutines and async generators": [
        Row("`await` chains", "generators.coroutine_driven_by_hand"),
        Row("`async for`, async comprehensions", "generators.async_generator_driven_by_hand"),
        Row("`async with`", "generators.async_with_driven_by_hand"),
    ],
}

_HEAD = """# Which shapes of programs move

Every row is a program of `tests/cases/`, migrated at each of its safe points on each version; a row
that says *moves* gave the unmigrated outcome every time. *Refused* means: asked while it stands
there, the task answers with the reason, goes on unharmed, and is asked again at its next safe
points until the deadline. This page is made by `python -m tests.shapes` and checked by a test.
"""
_FOOT = """
Where C code stood between two frames, the move puts a small function of hetmig's in its place; it
shows as one more line in tracebacks.
"""


def rendered() -> str:
    """The page."""
    return "\n".join([*_lines(), _FOOT])


def _lines() -> Iterator[str]:
    yield _HEAD
    for section, rows in TABLE.items():
        yield f"## {section}\n"
        yield "| shape | outcome | proven by |"
        yield "|---|---|---|"
        for row in rows:
            shape = row.shape.replace("|", "\\|")
            yield f"| {shape} | {row.verdict} | `{row.case}` |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(rendered(), "utf-8")
