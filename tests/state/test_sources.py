"""Where code comes from is found again from its text alone, or it is refused."""

from __future__ import annotations

import ast
import contextlib
import enum
import importlib
import itertools
import json
import linecache
import sys
import textwrap
import types
import warnings

import pytest

from hetmig.errors import MigrationRefused, NotMigratable, SourceChanged, VersionMismatch
from hetmig.state import manifest, parcel, sources
from hetmig.state.code import nested
from hetmig.state.locators import Scopes
from hetmig.state.pickling import dumps, loads
from tests.state import portable_shapes as shapes

LIBRARIES = ["contextlib", "typing", "json.decoder", "dataclasses", "asyncio.tasks", "os"]
names = itertools.count()


def source_of(module):
    return sources.source(sources.text_of_module(module), module.__file__, 0, 0)


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Imports a module with this text; the same again with another."""
    name = f"module_for_sources_{next(names)}"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def imported(text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.clearcache()
        return importlib.import_module(name)

    yield imported
    sys.modules.pop(name, None)


def test_each_lambda_on_a_line_is_told_from_the_others():
    first, second, third = shapes.on_a_line
    places = [sources.locate(f.__code__) for f in (first, second, third, third(1))]
    assert len(set(places)) == 4
    paths = [place.source.scopes[place.number].path for place in places]
    assert paths == [("<lambda>",)] * 3 + [("<lambda>", "<lambda>")]
    columns = [place.source.scopes[place.number].span[2] for place in places]
    assert columns == sorted(columns)


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_code_object_of_a_module_has_a_scope(name):
    module = importlib.import_module(name)
    source = source_of(module)
    for code in nested(source.codes[0]):
        # what a version makes for itself, of annotations and type parameters
        named = source.scopes[0].name == code.co_name or any(
            scope.name == code.co_name and scope.first_line == code.co_firstlineno
            for scope in source.scopes
        )
        if named:
            number = source.find(code)
            assert source.codes[number] == code
            assert source.scopes[number].name == code.co_name
        else:
            assert code.co_name.startswith(("__annotate__", "<generic", "_", "F")), code


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_scope_alone_stands_where_it_stood(name):
    scopes = source_of(importlib.import_module(name)).scopes
    in_text = {id(n) for node in ast.walk(scopes[0].node) if isinstance(node, ast.JoinedStr)
               for n in ast.walk(node)}  # fmt: skip  # whose positions are wrong before 3.12
    for number, scope in enumerate(scopes):
        if number == 0 or id(scope.node) in in_text:
            continue
        alone = Scopes(scopes.alone(number))
        (found,) = [s for s in alone if s.span == scope.span and s.kind == scope.kind]
        assert ast.dump(found.node, include_attributes=True) == ast.dump(
            scope.node, include_attributes=True
        )


def test_text_that_does_not_give_this_code_is_not_its_source(imported, tmp_path):
    module = imported("def f():\n    return [1]\n")
    code = module.f.__code__
    with contextlib.suppress(KeyError):
        del linecache.cache[code.co_filename]
    (tmp_path / f"{module.__name__}.py").write_text("def f():\n    return [2]\n")
    with pytest.raises(NotMigratable, match="has changed since it was imported"):
        sources.locate(code, vars(module))


def test_code_without_text_is_refused_by_name():
    space = {}
    exec("def made():\n    return 1\n", space)
    with pytest.raises(NotMigratable, match=r"source of made \(<string>\) is not to be found"):
        dumps(space["made"], portable=True)
    assert loads(dumps(space["made"]))() == 1


def test_what_an_import_hook_rewrote_is_refused():
    def checks(x):
        assert x  # pytest makes something else of this
        return x

    with pytest.raises(NotMigratable, match="rewrote it"):
        sources.locate(checks.__code__, globals())


def test_text_in_linecache_is_a_source():
    text = "def asked(x):\n    return x + 1\n"
    linecache.cache["<of a cell>"] = len(text), None, text.splitlines(True), "<of a cell>"
    space = {"__name__": "__main__"}
    exec(compile(text, "<of a cell>", "exec"), space)
    assert loads(dumps(space["asked"], portable=True))(1) == 2


def test_flags_that_are_not_in_the_text_travel():
    text = "def f(x: undefined): return x\n"
    linecache.cache["<flags>"] = len(text), None, text.splitlines(True), "<flags>"
    import __future__

    space = {"__name__": "__main__"}
    exec(compile(text, "<flags>", "exec", __future__.annotations.compiler_flag), space)
    got = loads(dumps(space["f"], portable=True))
    assert got.__annotations__ == {"x": "undefined"}
    assert got.__code__.co_flags == space["f"].__code__.co_flags


def test_a_text_travels_once():
    text = "def f():\n    return 1\ndef g():\n    return 2\n" + "# much text\n" * 1000
    linecache.cache["<long>"] = len(text), None, text.splitlines(True), "<long>"
    space = {"__name__": "__main__"}
    exec(compile(text, "<long>", "exec"), space)
    one, two = (dumps(value, portable=True) for value in (space["f"], [space["f"], space["g"]]))
    assert len(two) - len(one) < 500


def test_the_text_of_what_arrived_is_shown_and_known(tmp_path):
    file = str(tmp_path / "only there.py")
    source = sources.arrive("def f():\n    return 1 / 0\n", file, 0, 0)
    code = source.codes[1]
    function = types.FunctionType(code, {"__name__": "__main__"})
    assert linecache.getline(file, 2) == "    return 1 / 0\n"
    linecache.clearcache()
    assert loads(dumps(function, portable=True)).__code__ is code


def test_compiling_leaves_the_warnings_of_the_program_alone():
    text = 'def f():\n    return 1 is 1, "\\d"\n'
    before = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        during = list(warnings.filters)
        assert sources.source(text, "<warns>", 0, 0).codes
        assert warnings.filters == during
    assert warnings.filters == before


# -- what a parcel says of itself


def python_of(data):
    return parcel.peek(parcel.split(data)).manifest


def test_a_parcel_without_code_is_portable_by_itself():
    assert manifest.is_portable(python_of(dumps([1, "a", {2: b"c"}, ValueError, len])))
    assert not manifest.is_portable(python_of(dumps(lambda: 1)))
    assert not manifest.is_portable(python_of(dumps(x for x in "abc")))
    assert manifest.is_portable(python_of(dumps(shapes.plain, portable=True)))


def test_another_version_takes_what_is_portable_alone():
    theirs = {"implementation": "cpython", "version": "3.2.0", "magic": "00"}
    pinned = json.loads(manifest.value_manifest(False)) | {"python": theirs}
    with pytest.raises(VersionMismatch, match="portable=True"):
        manifest.check_python(pinned)
    manifest.check_python(pinned | {"portable": True})


# -- modules that both sides have

MODULE = """
    def before():
        return 1

    class Kept:
        def count(self, n):
            for i in range(n):
                yield i

    def outer(z):
        return lambda x, y=1: (x, y, z)
"""


def test_code_of_a_module_is_found_where_the_rest_has_changed(imported):
    module = imported(MODULE)
    waiting, function = module.Kept().count(5), module.outer(3)
    next(waiting)
    data = dumps([waiting, function], portable=True)
    changed = imported("# a line more\nimport os\n" + textwrap.dedent(MODULE) + "\nlater = 1\n")
    got, made = loads(data)
    assert list(got) == [1, 2, 3, 4]
    assert made(1) == (1, 1, 3)
    assert got.gi_code.co_firstlineno == module.Kept.count.__code__.co_firstlineno + 2
    assert made.__globals__ is vars(changed)


def test_code_of_a_module_that_is_another_one_there_is_refused(imported):
    module = imported(MODULE)
    waiting = module.Kept().count(5)
    next(waiting)
    data = dumps(waiting, portable=True)
    imported(MODULE.replace("yield i", "yield i + 1"))
    with pytest.raises(SourceChanged, match=r"Kept\.count is another one here"):
        loads(data)


def test_the_living_code_of_a_module_is_used(imported):
    module = imported(MODULE)
    waiting = module.Kept().count(2)
    assert loads(dumps(waiting.gi_code, portable=True)) is not None
    assert loads(dumps(module.outer(1), portable=True)).__code__ in module.outer.__code__.co_consts
    got = loads(dumps(waiting, portable=True))
    assert got.gi_code is module.Kept.count.__code__


# -- what no library can write again


class Odd(int, enum.Enum):
    def __new__(cls, value):
        made = int.__new__(cls, value * 2)
        made._value_ = value
        return made

    A = 1


def test_an_enum_that_makes_its_members_in_its_own_way_is_refused():
    Odd.__module__ = "__main__"
    with pytest.raises(NotMigratable, match="Odd makes its members of int in its own way"):
        dumps(Odd, portable=True)
    Odd.__module__ = __name__


def test_a_syntax_that_this_python_does_not_have_is_refused():
    theirs = sources.Source("def f():\n    return 1\n", "<theirs>", 0, 0)
    data = dumps(types.FunctionType(theirs.codes[1], {"__name__": "__main__"}), portable=True)
    text, (stream,) = parcel.open_bytes(data, None)
    newer = bytes(stream).replace(b"def f():", b"def f[]:")
    with pytest.raises(MigrationRefused, match="can't be compiled by Python"):
        loads(parcel.seal_bytes(text, [newer], None))
