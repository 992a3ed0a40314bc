"""Plain values which the standard library compares by `is`: they travel by name.

A text, a tuple or a dictionary arrives as a copy otherwise, and `action.default is SUPPRESS` of
`argparse` would be silently false.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

__all__ = ["introduce"]

_COMPARED = {
    "argparse": ("SUPPRESS",),
    "optparse": ("NO_DEFAULT", "SUPPRESS_HELP", "SUPPRESS_USAGE"),
    "string": ("_sentinel_dict",),
}
"""All there are in the standard library, found by its comparisons with names of such values."""

Memo = dict[int, tuple[int, object]]


def introduce(first: int) -> tuple[Memo, bytes]:
    """What a pickler has to know of them, its memo free from `first` on, and what it writes then.

    Only those of modules that are loaded: nothing else of the program can hold one.
    """
    memo: Memo = {}
    written = []
    for index, (module, name) in enumerate(_loaded(), first):
        value = getattr(sys.modules[module], name)
        memo[id(value)] = index, value
        # SHORT_BINUNICODE twice, STACK_GLOBAL, MEMOIZE, POP
        names = b"".join(b"\x8c%c%b" % (len(text), text.encode()) for text in (module, name))
        written.append(names + b"\x93\x940")
    return memo, b"".join(written)


def _loaded() -> Iterator[tuple[str, str]]:
    for module, names in _COMPARED.items():
        held = getattr(sys.modules.get(module), "__dict__", {})
        yield from ((module, name) for name in names if name in held)
