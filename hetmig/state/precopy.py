"""The code that a running task stands in, sent ahead while it runs: pre-copy, of code alone.

To import modules, and to find out what the value stack of a function holds where, takes longer
than to send a small task.  A destination that is told of the code beforehand does both while the
task still runs at the source.  All of it is a hint: what arrives later is compared with what the
task itself brings, and code that was not sent ahead is read then, as always.
"""

from __future__ import annotations

import contextlib
import importlib
import opcode
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from hetmig.errors import HetmigError
from hetmig.interpreter import cpython
from hetmig.interpreter.assembly import assemble_ahead
from hetmig.interpreter.prologue import original_position
from hetmig.interpreter.stackmap import stack_map
from hetmig.state import rebuild, references
from hetmig.state.code import freeze_code
from hetmig.state.modules import look_at_modules
from hetmig.state.namespaces import by_reference, imported_as

__all__ = ["Ahead", "Standing", "described", "get_ready"]

_MOST_CODES = 256
_MOST_BYTES = 256 << 10
_MOST_MODULES = 256
_IMPORT = opcode.opmap["IMPORT_NAME"]
_EXTENDED_ARG = opcode.opmap["EXTENDED_ARG"]

Standing = tuple[CodeType, dict[str, Any]]
"""The code of a live frame, and the namespace it runs in."""


class Ahead(NamedTuple):
    """What is sent ahead."""

    modules: list[str]
    """To import, in this order."""
    places: list[list[str]]
    """Module, path and fingerprint (hexadecimal) of code that the destination has itself."""
    codes: list[bytes]
    """Code that it has not; for the same minor version of Python."""


def described(stack: Sequence[Standing], known: frozenset[str]) -> Ahead:
    """What a destination needs for these frames; `known`: the modules that it has anyhow.

    For any thread: it reads, and makes ready here what the capture of these frames needs.
    """
    modules: dict[str, None] = {}
    ahead = Ahead([], [], [])
    room = _MOST_BYTES
    for code, namespace in _originals(stack):
        with contextlib.suppress(HetmigError):
            stack_map(code)
        modules.update(dict.fromkeys(_modules(code, namespace)))
        name = imported_as(namespace)
        place = None if name is None else references.reference(code, name)
        if place is not None:
            module, path, digest = place
            ahead.places.append([module, path, digest.hex()])
            continue
        with contextlib.suppress(HetmigError):
            data = freeze_code(code)
            if (room := room - len(data)) >= 0:
                ahead.codes.append(data)
    loaded = set(modules) - known
    ahead.modules.extend([name for name in list(sys.modules) if name in loaded][:_MOST_MODULES])
    return ahead


def get_ready(ahead: Ahead) -> None:
    """Import, and read the code, as far as that works here.  For a process that waits for it."""
    for name in ahead.modules:
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)
    for place in ahead.places:
        with contextlib.suppress(Exception):
            module, path, digest = place
            assemble_ahead(references.resolve(sys.modules[module], path, bytes.fromhex(digest)))
    for data in ahead.codes:
        with contextlib.suppress(Exception):
            assemble_ahead(rebuild.code(data))  # which keeps it
    look_at_modules()  # so that it takes no time when the task is there


def _originals(stack: Sequence[Standing]) -> list[Standing]:
    """Each code once, as the compiler made it."""
    found: dict[int, Standing] = {}
    for code, namespace in stack:
        original = original_position(code, 0).code
        found.setdefault(id(original), (original, namespace))
    return list(found.values())[:_MOST_CODES]


def _modules(code: CodeType, namespace: dict[str, Any]) -> Iterator[str]:
    """The modules that the code's namespace holds, or that this code imports."""
    name = imported_as(namespace)
    if name is not None:
        yield name  # the others are imported with it
    else:
        for value in list(namespace.values()):
            if type(value) is ModuleType:
                yield from _importable(vars(value).get("__name__"))
            elif type(value) is FunctionType:
                yield from _importable(value.__module__)
    for imported in _imports(code):
        yield from _importable(imported)


def _importable(name: object) -> Iterator[str]:
    if by_reference(name):
        yield name


def _imports(code: CodeType) -> Iterator[str]:
    """What the import statements of this code name."""
    instructions, extended = code.co_code, 0
    for offset in range(0, len(instructions), 2):
        number, argument = instructions[offset], instructions[offset + 1] | extended
        extended = argument << 8 if number == _EXTENDED_ARG else 0
        if number == _IMPORT:
            yield code.co_names[argument >> cpython.NAME_SHIFT["IMPORT_NAME"]]
