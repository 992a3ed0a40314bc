"""Plain values which the standard library compares by `is`: they travel by name.

A text, a tuple or a dictionary arrives as a copy otherwise, and `action.default is SUPPRESS` of
`argparse` would be silently false.
"""

from __future__ import annotations

import sys

__all__ = ["introduce"]

_COMPARED = {
    "argparse": ("SUPPRESS",),
    "optparse": ("NO_DEFAULT", "SUPPRESS_HELP", "SUPPRESS_USAGE"),
    "string": ("_sentinel_dict",),
}
"""All there are in the standard library, found by its comparisons with names of such values."""

Memo = dict[int, tuple[int, object]]


def _named(module: str, name: str) -> bytes:
    """What a pickler writes for it."""
    # SHORT_BINUNICODE twice, STACK_GLOBAL, MEMOIZE, POP
    names = b"".join(b"\x8c%c%b" % (len(text), text.encode()) for text in (module, name))
    return names + b"\x93\x940"


_WRITTEN = [
    (module, [(name, _named(module, name)) for name in names])
    for module, names in _COMPARED.items()
]


def introduce(first: int) -> tuple[Memo, bytes]:
    """What a pickler has to know of them, its memo free from `first` on, and what it writes then.

    Only those of modules that are loaded: nothing else of the program can hold one.
    """
    memo: Memo = {}
    introduced = b""
    for module, names in _WRITTEN:
        if module not in sys.modules:
            continue
        held = getattr(sys.modules[module], "__dict__", {})
        for name, written in names:
            if name in held:
                value = held[name]
                memo[id(value)] = first, value
                introduced += written
                first += 1
    return memo, introduced
