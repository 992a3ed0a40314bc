"""A small task that a runner captures, packs and puts together again before it has one of its own.

The first time, all of that takes milliseconds: the layout is proven, caches fill, modules are
imported that are needed late, and in a forked process memory is copied page by page.  A task that
moves would stand still meanwhile.
"""

from __future__ import annotations

import sys
from types import FrameType, ModuleType
from typing import Any

from hetmig.errors import HetmigError
from hetmig.interpreter import proof, reentry
from hetmig.interpreter.capture import capture
from hetmig.state import context_variables, image, module_globals
from hetmig.state.ambient import Ambient
from hetmig.state.manifest import check_python
from hetmig.state.modules import OwnModules, remember_foreign

__all__ = ["warm_up"]

_SAMPLE = """
def sample():
    names, counts = ["a", "b"], {"odd": 0}
    for number, name in enumerate(names):
        counts[name] = number
        rest()
    return counts

def rest():
    visit()
"""
"""Code of a script, as it travels with a task."""


def warm_up() -> None:
    """Do all of it once.  Without effect where the layout can't be proven: nothing moves there."""
    try:
        proof.require()
    except HetmigError:
        return  # tasks can run here all the same; who wants to move one gets the reason
    remember_foreign()
    module_globals.search()
    stays = sys.modules.get("__main__")
    module = sys.modules["__main__"] = ModuleType("__main__")
    try:
        exec(compile(_SAMPLE, "<sample>", "exec"), vars(module))
        _travel(module)
    finally:
        if stays is not None:
            sys.modules["__main__"] = stays


def _travel(module: Any) -> None:
    ambient, modules = Ambient(), OwnModules()
    root = sys._getframe()

    def visit() -> None:
        # Nothing of ours may be among what the sample could reach, or it would be packed as well.
        module.visit = None
        caller = sys._getframe(1)
        _pack(caller, root, sys._getframe(), {"ambient": ambient.changed(),
                                              "modules": modules.changed()})  # fmt: skip
        raise _Enough

    module.visit = visit
    try:
        module.sample()
    except _Enough:
        return


def _pack(caller: FrameType, root: FrameType, callee: FrameType, extra: dict[str, Any]) -> None:
    frozen = image.freeze(
        capture(caller, root=root, callee=callee),
        {**extra, "context": context_variables.current(), "source": ("", "")},
    )
    check_python(frozen.manifest())
    stack, _ = image.thaw(frozen, main=ModuleType("__main__"))
    reentry.prepare(stack)


class _Enough(BaseException):
    """Ends the sample."""
