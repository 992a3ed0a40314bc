"""The standard library's code in the middle of its work, where the destination's is another one.

A frame, a coroutine or an inner function of the library brings the text of its function along.  It
goes on in the destination's own code if that can be told to do the same from there on: because all
that can still be executed is written alike (see `continuations`), or because both were read for
this table.  Else it is refused by name, as any code that has changed.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
from collections.abc import Iterable
from types import CellType, CodeType, FunctionType
from typing import Any, NamedTuple

from hetmig.errors import NotMigratable, SourceChanged
from hetmig.interpreter import cpython
from hetmig.interpreter.continuations import Correspondence, Mapping
from hetmig.state.code import global_names

__all__ = [
    "Text",
    "adapted",
    "changed",
    "defaults",
    "finishes_by_itself",
    "is_exchangeable",
    "is_librarys",
    "keyword_defaults",
    "mapping",
    "require_names",
    "variables",
    "without_call_graph",
    "without_waiters",
]

_AWAITS: dict[tuple[str, str], frozenset[str]] = {
    # since 3.13, a queue can be shut down, which is looked for in each round
    ("asyncio.queues", "Queue.get"): frozenset({"await getter"}),
    ("asyncio.queues", "Queue.put"): frozenset({"await putter"}),
    # since 3.13, all who may go on are woken instead of one, and whoever fails wakes another
    ("asyncio.locks", "Semaphore.acquire"): frozenset({"await fut"}),
    ("asyncio.locks", "Condition.wait"): frozenset({"await fut"}),
    # since 3.12, waiting for the threads has an end
    ("asyncio.runners", "Runner.close"): frozenset(
        {"_cancel_all_tasks(loop)", "loop.run_until_complete(loop.shutdown_asyncgens())"}
    ),
    # since 3.13, the number of cancellations of the task around it is kept
    ("asyncio.taskgroups", "TaskGroup.__aexit__"): frozenset({"await self._on_completed_fut"}),
}
"""Statements from which both texts do the same, up to what one of them does better."""

_CALLBACKS = frozenset(
    {
        # since 3.14, errors that nobody sees are reported in another way
        ("asyncio.tasks", "shield._inner_done_callback"),
        ("asyncio.tasks", "shield._outer_done_callback"),
        # since 3.14, whoever makes a task may say that it is not eager
        ("asyncio.tasks", "create_eager_task_factory.factory"),
    }
)
"""Inner functions that may be exchanged for those of the destination."""

_BY_ITSELF = frozenset(
    {
        ("asyncio.taskgroups", "TaskGroup.__aexit__"),  # in two parts since 3.14
        ("asyncio.taskgroups", "TaskGroup._aexit"),
        ("asyncio.tasks", "as_completed"),  # an object with these as methods since 3.13
        ("asyncio.tasks", "as_completed._on_completion"),
        ("asyncio.tasks", "as_completed._on_timeout"),
        ("asyncio.tasks", "as_completed._wait_for_one"),
        ("contextlib", "AsyncExitStack.__aexit__"),  # since 3.13, with one variable for three
        ("contextlib", "AsyncExitStack.__aexit__._fix_exception_context"),
        ("contextlib", "ExitStack.__exit__"),
        ("contextlib", "ExitStack.__exit__._fix_exception_context"),
        ("asyncio.tasks", "wait_for"),  # by means of `timeout` since 3.12
    }
)
"""Functions that use nothing which another version lacks: the source's own text goes on there."""

_WITHOUT = {
    ("asyncio.tasks", "wait_for"): [
        ("_cancel_and_wait(fut, loop=loop)", "loop", "_cancel_and_wait"),
    ],
}
"""Calls in them of functions which have an argument less in newer versions."""

_READ = frozenset({(3, 11), (3, 12), (3, 13), (3, 14), (3, 15)})
"""The versions of Python whose library was read for these tables."""

_AWAITED_BY = frozenset({"future_add_to_awaited_by", "future_discard_from_awaited_by"})
CALL_GRAPH = frozenset({"cur_task", "_clear_awaited_by_callback"})
"""Variables by which asyncio knows since 3.14 who waits for whom, for those who look at it.

None says that nobody does.
"""

ANOTHER = "the source of {} is another one here, or is not here"


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Text(NamedTuple):
    """What a code object of the library was compiled from at the source of the state."""

    module: str
    path: tuple[str, ...]
    text: str
    digest: bytes
    version: tuple[int, int]
    """Of the Python there."""

    @property
    def name(self) -> str:
        """What its function is called."""
        return f"{self.module}.{'.'.join(self.path)}"

    @property
    def key(self) -> tuple[str, str]:
        """Its place in the tables."""
        return self.module, ".".join(self.path)


def is_librarys(module: str) -> bool:
    """Whether a module is the standard library's."""
    return module.partition(".")[0] in sys.stdlib_module_names


def finishes_by_itself(module: str, path: Iterable[str]) -> bool:
    """Whether a function's own text can go on in every version."""
    return (module, ".".join(path)) in _BY_ITSELF and cpython.VERSION in _READ


def _were_read(theirs: Text) -> bool:
    return theirs.version in _READ and cpython.VERSION in _READ


def _keeps_call_graph(statement: ast.stmt) -> bool:
    """Whether a statement only notes who waits for whom."""
    if isinstance(statement, ast.If):
        return all(map(_keeps_call_graph, (*statement.body, *statement.orelse)))
    if isinstance(statement, ast.Assign):
        return all(isinstance(to, ast.Name) and to.id in CALL_GRAPH for to in statement.targets)
    called = statement.value if isinstance(statement, ast.Expr) else None
    function = called.func if isinstance(called, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in _AWAITED_BY


@functools.lru_cache(maxsize=256)
def correspondence(theirs: Text, ours: str) -> Correspondence | None:
    """How the source's text of a function relates to the one here; None if it can't be told."""
    options: dict[str, Any] = {}
    if theirs.module.startswith("asyncio."):
        options["idle"] = _keeps_call_graph
    try:
        return Correspondence(theirs.text, ours, **options)
    except SyntaxError:
        return None


def mapping(theirs: Text, ours: str, path: str) -> Mapping:
    """What leads paths in the source's text to ours, for a frame that stands at `path`.

    Raises SourceChanged.
    """
    both = correspondence(theirs, ours)
    found = both.mapping(path) if both is not None else None
    if found is None and both is not None and _were_read(theirs):
        found = both.same_statement(path, _AWAITS.get(theirs.key, frozenset()))
    if found is None:
        raise changed(theirs)
    return found


def is_exchangeable(theirs: Text, ours: str) -> bool:
    """Whether a function that is still to be called can be the one of the destination."""
    both = correspondence(theirs, ours)
    known = theirs.key in _CALLBACKS and _were_read(theirs)
    return known or (both is not None and both.is_whole(CALL_GRAPH))


def defaults(theirs: Text, ours: str, given: tuple[object, ...]) -> tuple[object, ...]:
    """The default values of a function that was exchanged: those of arguments that it has here."""
    both = correspondence(theirs, ours)
    assert both is not None
    names, wanted = both.arguments
    values = dict(zip(names[len(names) - len(given) :], given, strict=True))
    values.update((name, None) for name in wanted if name in CALL_GRAPH and name not in values)
    return tuple(values[name] for name in wanted if name in values)


def adapted(theirs: Text, text: str) -> str:
    """A module's text, of the same length, whose function calls what is here as it wants it."""
    for written, argument, helper in _WITHOUT.get(theirs.key, ()):
        function = vars(sys.modules[theirs.module])[helper]
        if argument not in function.__code__.co_varnames[: function.__code__.co_argcount]:
            shorter = written.replace(f", {argument}={argument}", "")
            text = text.replace(written, shorter[:-1].ljust(len(written) - 1) + shorter[-1])
    return text


def require_names(code: CodeType, namespace: dict[str, Any]) -> None:
    """Refuse another version's text, which is to run from its beginning, if it lacks a name here.

    Raises NotMigratable.
    """
    for name in global_names(code):
        if name not in namespace and not hasattr(builtins, name):
            raise NotMigratable(
                f"{code.co_qualname} of another version refers to {name!r}, which "
                f"{namespace.get('__name__')} has not in this version of Python"
            )


def keyword_defaults(ours: str, given: dict[str, object]) -> dict[str, object]:
    """The same for arguments that are only given by name."""
    found = {}
    for name, written in _by_keyword(ours).items():
        if name in given:
            found[name] = given[name]
        elif isinstance(written, ast.Constant):
            found[name] = written.value
    return found


def _by_keyword(text: str) -> dict[str, ast.expr | None]:
    node = next(each for each in ast.walk(ast.parse(text)) if isinstance(each, _FUNCTIONS))
    names = (each.arg for each in node.args.kwonlyargs)
    return dict(zip(names, node.args.kw_defaults, strict=True))


def changed(theirs: Text, what: str = ANOTHER) -> SourceChanged:
    """The refusal of code that stands in another text here."""
    module = theirs.module.partition(".")[0]
    return SourceChanged(
        f"{what.format(theirs.name)}; what stands in the middle of it can go on only in the same "
        f"code: have the same version of {module} on both sides, or "
        f"cloudpickle.register_pickle_by_value({module})",
        function=theirs.name,
        needed=theirs.digest.hex(),
        present=None,
    )


def without_waiters(
    names: tuple[str, ...], cells: tuple[CellType, ...]
) -> tuple[tuple[str, ...], tuple[CellType, ...]]:
    """The free variables of an inner function without those that only note who waits for whom."""
    kept = [pair for pair in zip(names, cells, strict=True) if pair[0] not in CALL_GRAPH]
    return tuple(name for name, _ in kept), tuple(cell for _, cell in kept)


def without_call_graph(callbacks: list[Any]) -> list[Any]:
    """The callbacks of a future without those that only note who waits for whom."""
    return [each for each in callbacks if not _is_of_call_graph(each[0])]


def _is_of_call_graph(callback: Any) -> bool:
    function = callback.func if isinstance(callback, functools.partial) else callback
    names = "_discard_awaited_by", "_clear_awaited_by_callback"
    return (
        isinstance(function, FunctionType)
        and function.__module__ == "asyncio.tasks"
        and function.__name__ in names
    )


def variables(code: CodeType, arrived: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The variables of a frame that goes on in the destination's own code.

    What that does not know it does not need.
    """
    wanted = list(names)
    found = {name: value for name, value in arrived.items() if name in wanted}
    for name in wanted:
        if name in CALL_GRAPH and name not in found and name not in code.co_freevars:
            found[name] = None
    return found
