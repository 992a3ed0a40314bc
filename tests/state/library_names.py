"""By which names parts of the standard library travel, and whether they are there."""

from __future__ import annotations

import importlib
import types
import warnings

from hetmig.state.native.named import reduce_by_public_name

MODULES = (
    "abc ast argparse asyncio base64 bisect calendar collections collections.abc "
    "concurrent.futures contextlib copy csv dataclasses datetime decimal difflib enum fractions "
    "functools glob heapq html importlib.resources inspect io itertools json logging math "
    "numbers operator os os.path pathlib pickle platform pprint queue random re shutil socket "
    "statistics string struct subprocess tarfile tempfile textwrap threading time traceback "
    "types typing unittest uuid warnings weakref zipfile zlib zoneinfo"
).split()


def names():
    """(module, name) that is written, and (module, name) by which programs know it."""
    for module in MODULES:
        for name, value in list(vars(importlib.import_module(module)).items()):
            kinds = type | types.FunctionType | types.BuiltinFunctionType
            if not name.startswith("_") and isinstance(value, kinds):
                if place := _place(value):
                    yield [*place, module, name]


def _place(value):
    if value.__module__ is None or "<" in value.__qualname__ or value.__module__ == "builtins":
        return None
    reduced = reduce_by_public_name(value)
    if reduced is None:
        return value.__module__, value.__qualname__
    owner, name = reduced[1]
    return owner.__name__, name


def _is_there(module, name):
    try:
        found = importlib.import_module(module)
    except ImportError:
        return False
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None


def missing(found):
    """Those that are here, but not by the name that was written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [each for each in found if not _is_there(*each[:2]) and _is_there(*each[2:])]
