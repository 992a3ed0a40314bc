"""Tasks that use files and streams; run on nodes, sent by reference."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import hetmig


def copy_lines(source: str, target: str, stops: list[str], policy: str) -> int:
    """Number the lines of a file, and move after each of some lines."""
    count = 0
    with (
        hetmig.open(source, encoding="utf-8", policy=policy) as lines,
        hetmig.open(target, "w", encoding="utf-8", policy=policy) as out,
    ):
        for line in lines:
            count += 1
            out.write(f"{count} {line}")
            if stops:
                hetmig.migrate(stops.pop(0))
    return count


@hetmig.migratable(files="home")
def plain_open(target: str) -> list[str]:
    """What does not say how it wants to move."""
    kinds = []
    with open(target, "w", encoding="utf-8") as out:
        hetmig.migrate("b")
        kinds.append(type(out.buffer.raw).__name__)  # type: ignore[attr-defined]
        out.write("one ")
        with hetmig.files("carry"), Path(target).open(encoding="utf-8") as other:
            hetmig.migrate("c")
            kinds.append(type(other.buffer.raw).__name__)  # type: ignore[attr-defined]
            with builtins.open(__file__, "rb") as more:
                hetmig.migrate("b")
                kinds.append(more.raw.policy)
        with builtins.open(target, "a", encoding="utf-8") as more:
            kinds.append(more.buffer.raw.policy)
        out.write("two")
        hetmig.migrate("a")
        kinds.append(type(out.buffer.raw).__name__)  # type: ignore[attr-defined]
    return kinds


def read_without_short_way(source: str, size: int) -> bool:
    """The straight link to the file's node breaks while it is read."""
    from hetmig.node import runtime

    with hetmig.open(source, "rb") as file:
        home = runtime.current().files.here
        hetmig.migrate("b")
        direct = runtime.current().files.direct
        assert direct is not None
        found = file.read(size // 2)
        was_direct = direct.leads_to(home)
        direct.close(home)
        found += file.read()
    return was_direct and found == Path(source).read_bytes()


def ask_for_more(source: str) -> list[str]:
    """Use the key of this process at another node, for what it is not for."""
    from hetmig.node import protocol, runtime

    with hetmig.open(source, "rb") as file:
        home = runtime.current().files.here
        hetmig.migrate("b")
        direct: Any = runtime.current().files.direct
        handle = file.raw.handle
        file.read(10)
        file.raw.forget()
        link = direct._links[home["endpoint"]]
        questions = [
            (protocol.TASKS, {}),
            (protocol.STATUS, {}),
            (protocol.READ_INPUT, {"task": "x", "n": 1, "events": 0}),
            (protocol.FILE, {"op": "read", "handle": "0" * 32, "at": 0, "size": 1}),
            (protocol.FILE, {"op": "reclaim", "handle": handle}),
        ]
        errors = []
        for number, (kind, header) in enumerate(questions, 1_000_001):
            link.send_multipart(protocol.encode(kind, {**header, "id": number}))
            found: list[Any] = []
            while not found:
                found = [m for m in direct.receive(home, 1) if m.header.get("re") == number]
            told = found[0].header.get("told", found[0].header)
            errors.append(told["error"]["type"])
        return errors


def leave_open(target: str) -> str:
    """Never close what it writes."""
    global kept
    kept = hetmig.open(target, "w")
    hetmig.migrate("b")
    kept.write("written at the end")
    return "done"


def hold(target: str) -> None:
    """Write a little, and then only wait, at another node."""
    with hetmig.open(target, "w") as out:
        hetmig.migrate("b")
        out.write("a little")
        out.flush()
        print("holding")
        while True:
            pass


def write_on(target: str, signal: str) -> str:
    """Write to a file whose node has died meanwhile."""
    out = hetmig.open(target, "w")
    hetmig.migrate("b")
    print("there")
    while not os.path.exists(signal):
        pass
    try:
        out.write("lost")
        out.flush()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "written"


SCRIPT = """
import sys
import hetmig
print("here", input("name? "), hetmig.here())
hetmig.migrate("b")
print("there", input("more? "), hetmig.here())
for line in sys.stdin:
    print(repr(line), hetmig.here())
    hetmig.migrate("c" if hetmig.here() == "b" else "a")
try:
    input()
except EOFError as error:
    print(type(error).__name__)
"""

WAITING = """
import hetmig
print("waiting")
print("got", input("? "), hetmig.here())
"""

__all__ = [
    "SCRIPT",
    "WAITING",
    "ask_for_more",
    "copy_lines",
    "hold",
    "leave_open",
    "plain_open",
    "read_without_short_way",
    "write_on",
]
