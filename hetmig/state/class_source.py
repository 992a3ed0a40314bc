"""What a class is in source: a digest that is the same on every machine and Python version.

An object that travels by its class's name is only right where the class is the same.  Compared is
the syntax tree, of the class and of its bases outside the standard library: comments and layout
change nothing.  Where there is no source, the compiled functions stand for it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from hetmig.errors import MigrationRefused, SourceChanged
from hetmig.state.fingerprint import fingerprint
from hetmig.state.namespaces import is_importable, named

__all__ = ["describe_class", "require_same_class"]

_SIZE = 16


def describe_class(cls: type) -> dict[str, Any] | None:
    """Module, name and digest of a class that travels by its name; None for one by value."""
    if not is_importable(cls):
        return None
    return {"module": cls.__module__, "name": cls.__qualname__, "digest": digest(cls)}


def require_same_class(described: dict[str, Any]) -> None:
    """Raise SourceChanged unless the class of that name here is the one that was described.

    MigrationRefused if its module cannot be imported here.
    """
    module, name = str(described["module"]), str(described["name"])
    try:
        importlib.import_module(module)
    except Exception as error:
        raise MigrationRefused(
            f"the class {module}.{name} is not here ({type(error).__name__}: {error}): install "
            f"{module} on the node, or spawn the actor with ship=True"
        ) from error
    cls = named(module, name)
    present = digest(cls) if isinstance(cls, type) else None
    needed = str(described["digest"])
    if present == needed:
        return
    what = f"the source of {module}.{name} has changed: it is {needed} at the source of the state"
    raise SourceChanged(
        f"{what} and {present or 'missing'} here; have the same version of {module} on both sides, "
        "or spawn the actor with ship=True",
        function=f"{module}.{name}",
        needed=needed,
        present=present,
    )


def digest(cls: type) -> str:
    """The digest of a class and its bases, without those of the standard library."""
    found = hashlib.blake2b(digest_size=_SIZE)
    for base in cls.__mro__:
        if str(base.__module__).partition(".")[0] not in sys.stdlib_module_names:
            found.update(base.__qualname__.encode() + b"\0" + _text(base) + b"\0")
    return found.hexdigest()


def _text(cls: type) -> bytes:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return b"".join(_compiled(cls))
    return "".join(_encoded(tree)).encode("utf-8", "surrogatepass")


def _compiled(cls: type) -> Iterator[bytes]:
    for name, value in sorted(vars(cls).items()):
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(function, FunctionType):
            yield name.encode() + (fingerprint(function.__code__) or b"?")


def _encoded(node: Any) -> Iterator[str]:
    """A syntax tree as text, without what is empty: later versions have more such fields."""
    if isinstance(node, ast.Constant):
        yield f"{type(node.value).__name__}:{node.value!r};"
    elif isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for field in node._fields:
            value = getattr(node, field, None)
            if value is not None and value != []:
                yield f"{field}="
                yield from _encoded(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _encoded(item)
        yield "]"
    else:
        yield f"{node!r};"
