"""Code travels by reference where both sides have it, and never as another code."""

from __future__ import annotations

import gc
import importlib
import sys
import textwrap
import types

import cloudpickle
import pytest

from hetmig.errors import MigrationRefused, SourceChanged
from hetmig.interpreter import cpython
from hetmig.state import references
from hetmig.state.pickling import dumps, loads
from hetmig.state.references import reference, resolve
from tests.state import shapes
from tests.state.elsewhere import run


def all_code(module):
    """Every code object that a living function of the module has, or has inside it."""

    def nested(code):
        yield code
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                yield from nested(constant)

    found = {}
    for function in gc.get_objects():
        if type(function) is types.FunctionType and function.__globals__ is vars(module):
            found.update({id(code): code for code in nested(function.__code__)})
    return list(found.values())


def missing(module):
    name = module.__spec__.name
    found = []
    for code in all_code(module):
        place = reference(code, name)
        if place is None:
            found.append(code.co_qualname)
        else:
            assert resolve(module, *place[1:]) is code
    return found


@pytest.mark.skipif(cpython.FUNCTIONS_STAY, reason="its collector does not list all functions")
def test_code_in_every_place_is_found():
    assert len(all_code(shapes)) > 30
    # a tuple is no place: only what a module names; nor are annotations, where they are functions
    found = [name for name in missing(shapes) if "__annotate__" not in name]
    assert found == ["<lambda>", "<lambda>"]


@pytest.mark.parametrize(
    "name", ["contextlib", "argparse", "_collections_abc", "json.decoder", "functools", "tokenize"]
)
def test_code_of_libraries_is_found(name):
    module = importlib.import_module(name)
    assert len(missing(module)) <= len(all_code(module)) / 20


def test_a_path_is_short_where_its_name_says_it():
    paths = {
        shapes.plain: "plain",
        shapes.outer(1): "outer/#1",
        shapes.Base.plain: "Base/plain",
        shapes.Base._Base__secret: "Base/_Base__secret",
        shapes.Base.value.fget: "Base/value/@fget",
        shapes.Base.value.fset: "Base/value/@fset",
        shapes._Under._Under__private: "_Under/_Under__private",
        shapes.Base.Inner.plain: "Base/Inner/plain",
        shapes.cached.__wrapped__: "cached/@__wrapped__",
        shapes.wrapped.__wrapped__: "wrapped/@__wrapped__",
        shapes.renamed: "renamed",
    }
    for function, path in paths.items():
        code = function.__code__
        found = reference(code, shapes.__name__)[1]
        assert found.partition("#")[0] == path.partition("#")[0]
        assert ("#" in found) == ("#" in path)


def module_of(tmp_path, monkeypatch, source, name="shifting"):
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    monkeypatch.setitem(sys.modules, name, module)  # to be taken out again
    return module


MAKER = """
    def make(n):
        def add(m):
            return n + m
        return add
"""


def test_what_is_redefined_is_not_taken_for_the_same(tmp_path, monkeypatch):
    module = module_of(tmp_path, monkeypatch, MAKER)
    old = module.make
    assert reference(old.__code__, "shifting")
    code = old.__code__.replace()
    module.make = types.FunctionType(code, vars(module))
    assert reference(old.__code__, "shifting") is None
    assert reference(code, "shifting")
    del module.make
    assert reference(code, "shifting") is None
    add = old(1)
    assert loads(dumps(add))(2) == 3


def test_generated_code_travels_as_bytes(tmp_path, monkeypatch):
    module = module_of(tmp_path, monkeypatch, MAKER)
    exec("def made(): return [lambda: 5]", vars(module))
    assert reference(module.made.__code__, "shifting") is None
    assert loads(dumps(module.made()[0]))() == 5


def test_strange_modules(monkeypatch):
    code = shapes.plain.__code__
    assert reference(code, "no.such.module") is None
    monkeypatch.setitem(sys.modules, "strange", object())
    assert reference(code, "strange") is None
    monkeypatch.setitem(vars(shapes), 5, "not a name")
    monkeypatch.setitem(vars(shapes), "a/b", shapes.plain)
    assert reference(code, shapes.__name__)[1] == "plain"


def test_no_getter_runs():
    class Meta(type):
        def __getattribute__(cls, name):
            raise AssertionError(name)

    class Watched(metaclass=Meta):
        def method(self):
            return 1

    namespace = type.__dict__["__dict__"].__get__(Watched)
    code = namespace["method"].__code__
    module = types.ModuleType("watched")
    module.Watched = Watched
    found = dict(references._steps(Watched))
    assert found["method"].__code__ is code
    assert references._follow(module, "Watched/method") is code


@pytest.mark.parametrize(
    "path", ["nothing", "plain/#999", "plain/@fget", "plain/~0", "plain/x", "Base/plain/~5", "Base"]
)
def test_a_path_that_leads_nowhere(path):
    with pytest.raises(SourceChanged) as caught:
        resolve(shapes, path, b"\1" * 16)
    assert caught.value.data["needed"] == "01" * 16
    assert caught.value.data["present"] is None
    assert "does not exist here" in str(caught.value)


# -- in another process, where the source is another one

LOAD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import hetmig
from hetmig.errors import MigrationRefused
try:
    got = hetmig.loads(Path(sys.argv[2]).read_bytes())
except MigrationRefused as error:
    print(type(error).__name__, error, sorted(error.data.items()))
else:
    import shifting
    assert got.__globals__ is vars(shifting)
    print("result", got(2))
"""


@pytest.fixture
def sent(tmp_path, monkeypatch):
    """A closure of a module, sent to a process where the module's source is what is given."""
    here = tmp_path / "here"
    here.mkdir()
    add = module_of(here, monkeypatch, MAKER).make(40)
    (tmp_path / "state").write_bytes(dumps(add))

    def there(source):
        directory = tmp_path / "there"
        directory.mkdir()
        if source is not None:
            (directory / "shifting.py").write_text(textwrap.dedent(source))
        return run(LOAD, directory, tmp_path / "state")

    return there


def test_the_same_source_elsewhere(sent):
    assert sent("# moved by a comment\n" + textwrap.dedent(MAKER)) == "result 42\n"


def test_changed_source_is_refused_by_name_with_both_hashes(sent):
    add = sys.modules["shifting"].make(1)
    needed = reference(add.__code__, "shifting")[2].hex()
    shown = sent(MAKER.replace("n + m", "n - m"))
    assert shown.startswith("SourceChanged ")
    assert "the source of shifting.make.<locals>.add has changed" in shown
    assert f"('needed', '{needed}')" in shown
    present = shown.partition("('present', '")[2][:32]
    assert f"its code is {needed} at the source of the state and {present} here" in shown
    assert len(present) == 32
    assert present != needed
    assert "have the same version of shifting on both sides" in shown


COUNTER = """
    def count(n):
        for i in range(n):
            yield i
"""


def test_a_suspended_generator_of_changed_source_is_refused(tmp_path, monkeypatch):
    module = module_of(tmp_path, monkeypatch, COUNTER)
    generator = module.count(3)
    assert next(generator) == 0
    data = dumps(generator)
    assert len(data) < 450
    assert list(loads(data)) == [1, 2]
    needed = reference(module.count.__code__, "shifting")[2].hex()
    monkeypatch.delitem(sys.modules, "shifting")
    changed = module_of(tmp_path, monkeypatch, COUNTER.replace("yield i", "yield i + 1"))
    present = reference(changed.count.__code__, "shifting")[2].hex()
    with pytest.raises(SourceChanged, match=r"the source of shifting\.count has changed") as caught:
        loads(data)
    assert caught.value.data == {
        "function": "shifting.count",
        "needed": needed,
        "present": present,
    }
    assert needed in str(caught.value)
    assert present in str(caught.value)
    assert list(generator) == [1, 2]


def test_a_function_that_is_gone_is_named(sent):
    shown = sent("def other(): pass")
    assert shown.startswith("SourceChanged ")
    assert "shifting.make" in shown
    assert "does not exist here" in shown


def test_a_module_that_is_not_there_is_named(sent):
    shown = sent(None)
    assert shown.startswith("MigrationRefused ")
    assert "the module 'shifting' is not installed there" in shown


def test_a_module_registered_by_value_needs_nothing_there(tmp_path, monkeypatch):
    module = module_of(tmp_path, monkeypatch, MAKER)
    add = module.make(40)
    by_name = dumps(add)
    cloudpickle.register_pickle_by_value(module)
    try:
        by_value = dumps(add)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    (tmp_path / "state").write_bytes(by_value)
    program = """
        import sys
        from pathlib import Path
        import hetmig
        print(hetmig.loads(Path(sys.argv[1]).read_bytes())(2))
    """
    assert run(program, tmp_path / "state") == "42\n"
    assert len(by_name) < len(by_value)


def test_a_refusal_keeps_its_class_and_data(monkeypatch):
    data = dumps(shapes.outer(1))
    monkeypatch.setattr(shapes, "outer", shapes.plain)
    with pytest.raises(SourceChanged) as caught:
        loads(data)
    assert isinstance(caught.value, MigrationRefused)
    assert caught.value.variable == "value"
    assert caught.value.data["function"].startswith("tests.state.shapes.outer")
