"""Code objects, and what code refers to.

Between Pythons of one minor version code travels as the compiler's own bytes.  The manifest names
that version, and it is checked before anything is unpickled.  Between others: `portable_code`.
"""

from __future__ import annotations

import functools
import marshal
import opcode
import sys
import weakref
from collections.abc import Iterable, Iterator
from types import CodeType

from hetmig.errors import NotMigratable

__all__ = ["attribute_names", "freeze_code", "global_names", "submodules"]

# Class bodies and `exec`'d code reach globals by name; functions by the GLOBAL instructions.
_GLOBAL_OPCODES = frozenset(
    number
    for name, number in opcode.opmap.items()
    if "GLOBAL" in name or name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
)
_EXTENDED_ARG = opcode.opmap["EXTENDED_ARG"]
_LOAD_GLOBAL = opcode.opmap["LOAD_GLOBAL"]


_MOST = 1024
_frozen: dict[int, tuple[weakref.ref[CodeType], bytes]] = {}
"""By identity: `marshal` does not make the same bytes each time, as it looks at counts of
references, and a destination knows code by them that was sent ahead."""


def freeze_code(code: CodeType) -> bytes:
    """The bytes of a code object, for `rebuild.code`; the same each time."""
    known = _frozen.get(id(code))
    if known is None or known[0]() is not code:
        while len(_frozen) >= _MOST:
            _frozen.pop(next(iter(tuple(_frozen))), None)
        known = _frozen[id(code)] = weakref.ref(code), _marshalled(code)
    return known[1]


def _marshalled(code: CodeType) -> bytes:
    try:
        return marshal.dumps(code)
    except ValueError as error:
        raise NotMigratable(
            f"the code of {code.co_qualname} holds constants that no compiler makes ({error})"
        ) from None


def nested(code: CodeType) -> Iterator[CodeType]:
    """This code object and all that are made inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


@functools.lru_cache(maxsize=1024)
def global_names(code: CodeType) -> tuple[str, ...]:
    """The names which this code and the code inside it may look up in their module."""
    names: dict[str, None] = {}
    for part in nested(code):
        names.update(dict.fromkeys(_own_global_names(part)))
    return tuple(names)


def _own_global_names(code: CodeType) -> Iterator[str]:
    instructions = code.co_code
    extended = 0
    for offset in range(0, len(instructions), 2):
        number, argument = instructions[offset], instructions[offset + 1] | extended
        extended = argument << 8 if number == _EXTENDED_ARG else 0
        if number in _GLOBAL_OPCODES:
            # The lowest bit of LOAD_GLOBAL's argument is the PUSH_NULL before a call.
            yield code.co_names[argument >> 1 if number == _LOAD_GLOBAL else argument]


def attribute_names(code: CodeType) -> set[str]:
    """All names in this code and the code inside it, attributes among them."""
    return {name for part in nested(code) for name in part.co_names}


def submodules(packages: Iterable[str], names: set[str]) -> list[str]:
    """The loaded submodules of `packages` which code that uses `names` can reach.

    `import xml.etree` binds only `xml`; the destination must import the rest as well.
    """
    prefixes = tuple(f"{package}." for package in packages)
    loaded = [name for name in list(sys.modules) if name.startswith(prefixes)]
    return sorted(
        name
        for name in loaded
        for prefix in prefixes
        if name.startswith(prefix) and names.issuperset(name[len(prefix) :].split("."))
    )
