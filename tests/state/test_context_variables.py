"""Context variables keep who they are, contexts their values, and tokens what they are good for."""

from __future__ import annotations

import contextlib
import contextvars
import decimal
import threading
from contextvars import Context, ContextVar, Token

import pytest

from hetmig.errors import NotMigratable
from hetmig.state import context_variables
from hetmig.state.image import freeze_value
from hetmig.state.pickling import dumps, loads
from tests.state import elsewhere, values


def copied(value):
    return loads(dumps(value))


def test_a_variable_has_its_name_and_default():
    plain, with_default = ContextVar("plain"), ContextVar("with", default=(1,))
    plain.set("here")
    one, two, three = copied([plain, with_default, plain])
    assert one is three
    assert (one.name, two.name, two.get()) == ("plain", "with", (1,))
    with pytest.raises(LookupError):
        one.get()


def test_a_default_that_is_asked_for_where_it_is_set():
    variable = ContextVar("variable", default=1)
    variable.set(2)
    assert copied(variable).get() == 1


def test_a_context_with_its_values():
    one, two = ContextVar("one"), ContextVar("two", default=0)
    context = Context()
    context.run(one.set, [context])
    moved, variable, other, again = copied([context, one, two, context.copy()])
    assert dict(moved.items()) == {variable: [moved]}
    assert moved.run(other.get) == 0
    assert again is not moved
    assert again[variable] is moved[variable]


def test_current_is_not_a_copy():
    variable = ContextVar("variable")
    context = context_variables.current()
    assert context is context_variables.current()
    token = variable.set(1)
    assert context[variable] == 1
    variable.reset(token)
    assert variable not in context
    inner = Context()
    assert inner.run(context_variables.current) is inner
    assert len(inner) == 0


class TestTokens:
    """`reset` does after the move what it would have done before."""

    def test_nested_sets_are_undone(self):
        variable = ContextVar("variable")
        context = Context()
        tokens = context.run(lambda: [variable.set(value) for value in "abc"])
        for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
            state = [tokens[i] for i in order]
            for whole in ([context, variable, state], [state, variable, context]):
                moved = copied(whole)
                moved = moved if isinstance(moved[0], Context) else moved[::-1]
                there, its, shuffled = moved
                assert there[its] == "c"
                in_order = [shuffled[order.index(i)] for i in range(3)]
                assert [token.old_value for token in in_order] == [Token.MISSING, "a", "b"]
                assert all(token.var is its for token in in_order)
                there.run(its.reset, in_order[2])
                assert there[its] == "b"
                there.run(its.reset, in_order[1])
                assert there[its] == "a"
                there.run(its.reset, in_order[0])
                assert its not in there

    def test_used_ones_say_so(self):
        variable = ContextVar("variable", default=0)
        context = Context()

        def use():
            tokens = []
            for value in (None, 1):
                if value:
                    variable.set(value)
                token = variable.set(2)
                variable.reset(token)
                tokens.append(token)
            return tokens

        moved = copied([context, variable, *context.run(use)])
        for token, old in zip(moved[2:], (Token.MISSING, 1), strict=True):
            assert token.old_value == old
            with pytest.raises(RuntimeError, match="used once"):
                moved[0].run(moved[1].reset, token)
        assert moved[0][moved[1]] == 1

    def test_of_a_variable_that_is_missing_now(self):
        variable = ContextVar("variable")
        context = Context()

        def use():
            first = variable.set(1)
            second = variable.set(2)
            variable.reset(first)
            return [second]

        context, its, (token,) = copied([context, variable, context.run(use)])
        assert its not in context
        context.run(its.reset, token)
        assert context[its] == 1

    def test_in_the_very_value_that_it_is_of(self):
        variable = ContextVar("variable")
        context, box = Context(), []
        box.append(context.run(variable.set, box))
        for whole in ([context, variable], [box, context, variable], [box[0], context, variable]):
            *_, there, its = copied(whole)
            (token,) = there[its]
            there.run(its.reset, token)
            assert its not in there

    def test_only_in_its_own_context(self):
        variable = ContextVar("variable")
        token = variable.set(1)
        context = context_variables.current()
        moved, its, there = copied([token, variable, context])
        with pytest.raises(ValueError, match="different Context"):
            its.reset(moved)
        there.run(its.reset, moved)
        variable.reset(token)


def test_a_variable_of_a_module_is_that_modules(monkeypatch):
    variable = ContextVar("variable", default=3)
    monkeypatch.setattr(values, "variable", variable, raising=False)
    data = dumps([variable, variable])
    assert loads(data)[0] is variable
    monkeypatch.setattr(values, "variable", None)
    one, two = loads(data)
    assert one is two is not variable
    assert one.get() == 3


def test_the_context_of_decimal_is_in_it():
    context = Context()
    context.run(decimal.setcontext, decimal.Context(prec=7, traps=[decimal.Inexact]))
    context.run(lambda: decimal.getcontext().flags.update({decimal.Rounded: True}))
    moved, current = copied([context, context.run(decimal.getcontext)])
    assert moved.run(decimal.getcontext) is current
    assert current.prec == 7
    assert current.traps[decimal.Inexact]
    assert current.flags[decimal.Rounded]
    assert not current.traps[decimal.DivisionByZero]


def test_a_value_that_cannot_travel_is_named():
    variable = ContextVar("connection")
    context = Context()
    with contextlib.closing(values.immovable()) as culprit:
        context.run(variable.set, {"a": culprit})
        with pytest.raises(NotMigratable) as caught:
            freeze_value([context])
    assert caught.value.variable == "value[0][connection]['a']"


def test_local_contexts_are_those_of_decimal():
    with decimal.localcontext() as local:
        local.prec = 5
        moved, context = copied([local, context_variables.current()])
        assert context.run(decimal.getcontext) is moved
        assert moved.prec == 5


def test_numpys_way_with_errors_is_in_it():
    numpy = pytest.importorskip("numpy", "2")

    def handler(kind, flag):
        return None

    with numpy.errstate(divide="raise", over="call", call=handler):
        outside = context_variables.current()
        with numpy.errstate(divide="ignore"):
            moved, function = copied([contextvars.copy_context(), handler])
        settings = moved.run(numpy.geterr)
        assert (settings["divide"], settings["over"]) == ("ignore", "call")
        assert moved.run(numpy.geterrcall) is function
        assert copied(outside).run(numpy.geterr)["divide"] == "raise"


def test_another_threads_context():
    contexts = []
    thread = threading.Thread(target=lambda: contexts.append(contextvars.copy_context()))
    thread.start()
    thread.join()
    assert isinstance(copied(contexts[0]), Context)


def test_in_another_process(tmp_path):
    path = tmp_path / "parcel"
    (tmp_path / "with_variable.py").write_text(
        "from contextvars import ContextVar\n"
        "class Settings:\n"
        "    level = ContextVar('level', default=1)\n"
    )
    elsewhere.run(
        elsewhere.SEND
        + """
sys = __import__("sys")
sys.path.insert(0, sys.argv[2])
import contextvars, decimal
from with_variable import Settings
from hetmig.state.image import freeze_value
from hetmig.state.context_variables import current
token = Settings.level.set(5)
decimal.getcontext().prec = 9
send(sys.argv[1], freeze_value([current(), token, Settings]))
""",
        path,
        tmp_path,
    )
    arrived = elsewhere.THAW + (
        "sys.path.insert(0, sys.argv[2])\n"
        "context, token, settings = arrive(sys.argv[1])\n"
        "import decimal, with_variable\n"
        "level = with_variable.Settings.level\n"
        "print(context[level], context.run(decimal.getcontext).prec, level.get())\n"
        "context.run(level.reset, token)\n"
        "print(level in context, decimal.getcontext().prec)\n"
    )
    assert elsewhere.run(arrived, path, tmp_path) == "5 9 1\nFalse 28\n"


def test_a_variable_of_a_module_that_comes_to_travel_by_value(monkeypatch):
    """Where it was found before, when its module still travelled by name, says nothing any more."""
    import sys
    from types import ModuleType

    import cloudpickle

    from hetmig.state.module_globals import place_of

    module = ModuleType("module_of_a_variable")
    module.variable = ContextVar("variable")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert place_of(module.variable) == (module.__name__, "variable")
    cloudpickle.register_pickle_by_value(module)
    try:
        assert place_of(module.variable) is None
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert place_of(module.variable) == (module.__name__, "variable")
