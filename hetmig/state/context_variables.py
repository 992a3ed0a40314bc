"""Context variables, contexts and tokens.

A context becomes a new one with the same values.  A token is tied to the context it was made in and
can only be made by setting the variable there: so it is made anew, in the new context, and
`variable.reset(token)` works after the move as before.

`decimal` keeps its context in a variable that no module names; it is found by asking `decimal`.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar, Token
from typing import Any

from hetmig.errors import NotMigratable
from hetmig.state import rebuild
from hetmig.state.module_globals import Place, here, place_of

__all__ = [
    "current",
    "decimal_variable",
    "fill_context",
    "local_context",
    "local_context_type",
    "new_variable",
    "numpy_settings",
    "reduce_capsule",
    "reduce_context",
    "reduce_local_context",
    "reduce_token",
    "reducer_of_variables",
    "unused_token",
    "used_token",
    "variable_of_module",
]

Reduced = tuple[Any, ...]
Maybe = tuple[()] | tuple[Any]

_probe: ContextVar[None] = ContextVar("hetmig")


def current() -> Context:
    """The context in which this thread runs: itself, not a copy."""
    token = _probe.set(None)
    context: Context = gc.get_referents(token)[0]
    _probe.reset(token)
    return context


# -- variables


def reducer_of_variables() -> Callable[[Any, ContextVar[Any]], Reduced]:
    """How a variable is taken apart: by name if its module has it, else by value."""
    of_decimal = decimal_variable() if "decimal" in sys.modules else None

    def reduce(pickler: Any, variable: ContextVar[Any]) -> Reduced:
        if variable is of_decimal:
            return decimal_variable, ()
        whole = variable.name, _default(variable)
        place = place_of(variable)
        return (new_variable, whole) if place is None else (variable_of_module, (*place, *whole))

    return reduce


def _default(variable: ContextVar[Any]) -> Maybe:
    try:
        return (Context().run(variable.get),)
    except LookupError:
        return ()


def new_variable(name: str, default: Maybe) -> ContextVar[Any]:
    """A new variable."""
    return ContextVar(name, default=default[0]) if default else ContextVar(name)


def variable_of_module(module: str, attribute: str, name: str, default: Maybe) -> ContextVar[Any]:
    """The variable which this module has here."""
    found = here(Place(module, attribute), ContextVar)
    # another one if the program put it there, not the import
    return found if found is not None and found.name == name else new_variable(name, default)


def decimal_variable() -> ContextVar[Any]:
    """The variable in which `decimal` keeps its context."""
    import decimal

    context = Context()
    context.run(decimal.getcontext)  # sets it, as it is not set there
    (variable,) = context
    return variable


# -- contexts


def reduce_context(pickler: Any, context: Context) -> Reduced:
    """A context, with its values."""
    return Context, (), list(context.items()), None, None, fill_context


def fill_context(context: Context, items: list[tuple[ContextVar[Any], Any]]) -> None:
    """Give a new context its values."""
    context.run(_fill, context, items)


def _fill(context: Context, items: list[tuple[ContextVar[Any], Any]]) -> None:
    for variable, value in items:
        fresh = variable not in context
        token = variable.set(value)
        if fresh:
            rebuild.first_tokens()[id(context), id(variable)] = token


# -- decimal's own contexts


def reduce_local_context(pickler: Any, manager: Any) -> Reduced:
    """What `decimal.localcontext()` gives: it tells the contexts it sets by setting them."""
    import decimal

    elsewhere = Context()
    inside = elsewhere.run(manager.__enter__)
    elsewhere.run(manager.__exit__, None, None, None)
    return local_context, (inside, elsewhere.run(decimal.getcontext))


def local_context_type() -> type:
    """The type of what `decimal.localcontext()` gives."""
    import decimal

    return type(decimal.localcontext())


def local_context(inside: Any, outside: Any) -> Any:
    """A context manager which sets a context like the one inside, and then the very one outside."""
    return Context().run(_make_local_context, inside, outside)


def _make_local_context(inside: Any, outside: Any) -> Any:
    import decimal

    decimal.setcontext(outside)
    return decimal.localcontext(inside)


# -- what numpy keeps in a variable: how it treats floating-point errors


def reduce_capsule(pickler: Any, capsule: Any) -> Any:
    """The settings of numpy, a pointer in a capsule; known where they are current."""
    if not repr(capsule).startswith('<capsule object "numpy.ufunc.extobj"'):
        return NotImplemented
    umath = _numpy_umath()

    def settings() -> dict[str, Any]:
        umath._extobj_contextvar.set(capsule)
        return dict(umath._get_extobj_dict())

    return numpy_settings, (Context().run(settings),)


def numpy_settings(settings: dict[str, Any]) -> Any:
    """A capsule with these settings."""
    return _numpy_umath()._make_extobj(**settings)


def _numpy_umath() -> Any:
    # not an `import`: numpy need not be here, neither now nor where types are checked
    return importlib.import_module("numpy._core.umath")


# -- tokens


def reduce_token(pickler: Any, token: Token[Any]) -> Reduced:
    """A token; one that was used only remembers what it had to."""
    context, variable = gc.get_referents(token)[:2]
    old: Maybe = () if token.old_value is Token.MISSING else (token.old_value,)
    if repr(token).startswith("<Token used "):
        return used_token, (variable, old)
    return unused_token, (context, variable, old)


def used_token(variable: ContextVar[Any], old: Maybe) -> Token[Any]:
    """A token which says that it was used, wherever it is tried."""
    return Context().run(_make_used, variable, old)


def _make_used(variable: ContextVar[Any], old: Maybe) -> Token[Any]:
    if old:
        variable.set(old[0])
    token = variable.set(None)
    variable.reset(token)
    return token


def unused_token(context: Context, variable: ContextVar[Any], old: Maybe) -> Token[Any]:
    """A token which resets the variable to its old value in this context."""
    return context.run(_make_unused, context, variable, old)


def _make_unused(context: Context, variable: ContextVar[Any], old: Maybe) -> Token[Any]:
    missing = variable not in context
    if not old:
        # Only one such token can be unused: whoever had used another one, to make the variable
        # missing again, would have needed a third.  The first value's token is the one.
        tokens, key = rebuild.first_tokens(), (id(context), id(variable))
        if missing:
            tokens[key] = variable.set(None)
        if key not in tokens:
            raise NotMigratable(f"a token of {variable.name} can't be made anew")
        return tokens[key]
    value = None if missing else variable.get()
    first = variable.set(old[0])
    token = variable.set(value)
    if missing:
        variable.reset(first)
    return token
