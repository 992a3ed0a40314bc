"""Writes the golden parcels of the running interpreter, and tells what is right of each."""

from __future__ import annotations

import contextlib
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

import hetmig
from hetmig.interpreter.reentry import prepare
from hetmig.state import image, parcel
from hetmig.state.manifest import check_python
from hetmig.testing.stops import Stop, above, visiting
from tests.golden import shapes

KEY = b"the key of all golden parcels, worth nothing"
FILES = Path(__file__).parent / "parcels"
VALUES = ("data", "function", "instance", "generator")
AT = 25
"""The stack of `shapes.frames` is taken at this safe point or at the next one inside of `work`."""


def written() -> Iterator[tuple[str, bytes]]:
    """(File name, content) of each, as this interpreter writes them."""
    for form, portable in (("native", False), ("portable", True)):
        with _a_script() as script:
            for name in VALUES:
                value = getattr(script, name)()
                yield f"{name}.{form}", hetmig.dumps(value, KEY, portable=portable)
            yield f"frames.{form}", _frames(script, portable)


@contextlib.contextmanager
def _a_script() -> Iterator[Any]:
    """`shapes` as a module that nobody else has: it travels, under a name without a place."""
    name, file = "golden_shapes", "golden/shapes.py"
    text = Path(__file__).with_name("shapes.py").read_text("utf-8")
    script = ModuleType(name)
    script.__file__ = file
    sys.modules[name] = script
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    cloudpickle.register_pickle_by_value(script)
    try:
        exec(compile(text, file, "exec", dont_inherit=True), vars(script))
        yield script
    finally:
        cloudpickle.unregister_pickle_by_value(script)
        del sys.modules[name], linecache.cache[file]


def _frames(script: Any, portable: bool) -> bytes:
    """The stack of a program in the middle of its loops."""
    taken: list[bytes] = []
    passed = 0

    def visit(stop: Stop) -> None:
        nonlocal passed
        passed += 1
        if passed < AT or taken:
            return
        stack, _ = stop.capture()
        if [activation.code.co_name for activation in stack] != ["frames", "job", "work"]:
            return
        frozen = image.freeze(stack, portable=portable)
        taken.append(parcel.join(parcel.seal(frozen.manifest(), frozen.frames, KEY)))

    with visiting(visit):
        ended = above(script.frames)
    assert ended == shapes.frames()
    return taken[0]


def opened(data: bytes) -> Any:
    """What is in a parcel.  Raises VersionMismatch."""
    found = parcel.open_sealed(parcel.split(data), KEY)
    if found.manifest["kind"] == "value":
        return hetmig.loads(data, KEY)
    check_python(found.manifest)
    stack, _ = image.thaw(image.Image.of_parcel(found))
    return prepare(stack)(None)


def _right_data(found: Any) -> None:
    expected = shapes.data()
    assert found == expected
    assert list(map(type, found["shared"][0])) == list(map(type, expected["shared"][0]))
    assert str(found["shared"][0][2]) == "-0.0"
    assert found["shared"][0] is found["shared"][1]
    assert [found[name].typecode for name in ("numbers", "small")] == ["d", "h"]


def _right_function(found: Any) -> None:
    assert found(1, 2, power=3) == [5, 19]
    assert (found.__name__, found.__qualname__) == ("scaled", "function.<locals>.scaled")


def _right_instance(found: Any) -> None:
    assert (found.name, found.amounts, found.total) == ("golden", [1, 20, 300], 321)
    assert type(found).kinds == ("plain", "odd")


def _right_generator(found: Any) -> None:
    assert next(found) == 4
    assert found.send("seven") == ("seven", {0: 0, 1: 1, 2: 2})
    assert list(found) == [9, 16, 25]


def _right_frames(found: Any) -> None:
    assert found == shapes.frames()


RIGHT: dict[str, Callable[[Any], None]] = {
    "data": _right_data,
    "function": _right_function,
    "instance": _right_instance,
    "generator": _right_generator,
    "frames": _right_frames,
}
"""What must be true of the content, by shape."""
