"""The standard library's code in other texts: what the tables say is so in the library here."""

from __future__ import annotations

import importlib
import inspect
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import hetmig
from hetmig.errors import NotMigratable, SourceChanged
from hetmig.interpreter import cpython
from hetmig.state import library_code, sources
from hetmig.state.library_code import Text
from hetmig.state.locators import Scopes


def _text(source: str, name: str = "f", module: str = "asyncio.tasks") -> Text:
    scopes = Scopes(source)
    index = next(n for n, scope in enumerate(scopes) if scope.name == name)
    return Text(module, (name,), scopes.alone(index), scopes.digest(index), cpython.VERSION)


def _there(key: tuple[str, str]) -> bool:
    module = importlib.import_module(key[0])
    text = sources.text_of_module(module)
    assert text is not None
    return any(".".join(scope.path) == key[1] for scope in Scopes(text))


@pytest.mark.skipif(cpython.VERSION not in library_code._READ, reason="nobody has read it")
@pytest.mark.parametrize("key", [*library_code._AWAITS], ids=".".join)
def test_what_is_awaited_is_one_statement(key: tuple[str, str]) -> None:
    if not _there(key):
        pytest.skip("this version has none")
    text = sources.text_of_module(importlib.import_module(key[0]))
    assert text is not None
    scopes = Scopes(text)
    index = next(n for n, scope in enumerate(scopes) if ".".join(scope.path) == key[1])
    alone = scopes.alone(index)
    found = [each for each in library_code._AWAITS[key] if alone.count(each) == 1]
    if key == ("asyncio.taskgroups", "TaskGroup.__aexit__") and cpython.VERSION >= (3, 14):
        assert not found  # it is in its other half
    else:
        assert len(found) == len(library_code._AWAITS[key])


def test_each_function_of_the_tables_is_in_some_version() -> None:
    keys = {*library_code._AWAITS, *library_code._CALLBACKS, *library_code._BY_ITSELF}
    here = {key for key in keys if _there(key)}
    newer = {("asyncio.taskgroups", "TaskGroup._aexit")}
    newer |= {key for key in keys if "eager" in key[1]}
    older = {key for key in keys if key[1].startswith("as_completed.")}
    older |= {key for key in keys if key[1].endswith("_fix_exception_context")}
    assert keys - here <= newer | older


def test_the_call_graph_is_what_asyncio_calls_so() -> None:
    futures = importlib.import_module("asyncio.futures")
    known = {name for name in vars(futures) if name.startswith("future_")}
    assert known <= library_code._AWAITED_BY


def test_a_frame_in_other_code_is_refused_by_name() -> None:
    theirs = _text("async def f(a):\n    await a\n    return 1")
    with pytest.raises(SourceChanged, match=r"asyncio\.tasks\.f is another one here") as caught:
        library_code.mapping(theirs, "async def f(a):\n    await a\n    return 2", "body.0.body.0")
    assert caught.value.data["function"] == "asyncio.tasks.f"
    with pytest.raises(SourceChanged):
        library_code.mapping(theirs, "not python", "body.0.body.0")


def test_a_callback_without_the_call_graph_is_the_same() -> None:
    old = "def f(fut):\n    p(fut)"
    new = (
        "def f(fut, cur_task=cur_task):\n    if cur_task is not None:\n"
        "        futures.future_discard_from_awaited_by(fut, cur_task)\n    p(fut)"
    )
    assert library_code.is_exchangeable(_text(old), new)
    assert library_code.is_exchangeable(_text(new), old)
    assert library_code.defaults(_text(old), new, ()) == (None,)
    assert library_code.defaults(_text(new), old, ("somebody",)) == ()
    assert not library_code.is_exchangeable(_text(old), new.replace("p(fut)", "q(fut)"))
    assert not library_code.is_exchangeable(_text(old, module="json"), new)


def test_defaults_go_by_name() -> None:
    theirs = _text("def f(a, b=1, *, c=2): pass")
    assert library_code.defaults(theirs, "def f(b=1, a=0): pass", (1,)) == (1,)
    ours = "def f(*, c, d=4, e=x): pass"
    assert library_code.keyword_defaults(ours, {"c": 5, "z": 6}) == {"c": 5, "d": 4}


def test_a_call_without_an_argument_keeps_every_place() -> None:
    key = ("asyncio.tasks", "wait_for")
    (written, argument, helper), *_ = library_code._WITHOUT[key]
    importlib.import_module("asyncio.tasks")
    theirs = Text(*key[:1], ("wait_for",), "", b"", cpython.VERSION)
    text = f"async def wait_for():\n    await {written}; p()"
    adapted = library_code.adapted(theirs, text)
    assert len(adapted) == len(text)
    takes = argument in inspect.signature(getattr(sys.modules[key[0]], helper)).parameters
    assert (adapted == text) == takes
    compile(adapted, "t", "exec")


def test_what_is_to_begin_needs_all_its_names() -> None:
    def uses() -> object:
        return len(absent)  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NotMigratable, match="refers to 'absent', which m has not"):
        library_code.require_names(uses.__code__, {"__name__": "m"})
    library_code.require_names(uses.__code__, {"absent": ()})


def test_a_line_of_a_printed_traceback() -> None:
    import traceback

    try:
        raise ValueError
    except ValueError as error:
        (line,) = traceback.extract_tb(error.__traceback__)
    for portable in (False, True):
        copy: Any = hetmig.loads(hetmig.dumps(line, portable=portable))
        assert copy == line
        assert (copy.line, copy.colno, copy.end_lineno) == (line.line, line.colno, line.end_lineno)


def test_callbacks_that_only_note_who_waits() -> None:
    def keep() -> None: ...

    made: Any = SimpleNamespace()
    exec("def _clear_awaited_by_callback(inner): pass", vars(made))
    made._clear_awaited_by_callback.__module__ = "asyncio.tasks"
    listed = [(keep, 1), (made._clear_awaited_by_callback, 2)]
    assert library_code.without_call_graph(listed) == [(keep, 1)]
