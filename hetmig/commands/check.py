"""`hetmig check`: from which safe points of a program it can go on in other versions of Python."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hetmig.commands.common import (
    EXIT_FAILED,
    EXIT_OK,
    UsageError,
    add_command,
    console,
    place,
    plain,
    print_json,
)

__all__ = ["Checked", "add_parser", "check"]

EXAMPLES = """
hetmig check job.py --for 3.11,3.14              every function of a script
hetmig check package.module:Class.method         against every version that can be had
hetmig check job.py:main --for 3.14 --refused    only what does not cross
"""


@dataclass(frozen=True)
class Checked:
    """A safe point, and what became of it."""

    function: str
    line: int
    what: str
    refused: dict[str, str] = field(default_factory=dict)
    """By version: why it has no place there."""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "check", run, __doc__, EXAMPLES)
    parser.add_argument(
        "program", metavar="MODULE[:FUNCTION]", help="a module's name, or a file; its function"
    )
    parser.add_argument(
        "--for", dest="versions", metavar="VERSION,...", help="such as 3.11,3.14 (default: all)"
    )
    parser.add_argument("--refused", action="store_true", help="only those that don't cross")
    parser.add_argument("--implied", action="store_true", help="getters, setters and the like, too")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print each safe point; the exit code is 1 if there is one that does not cross."""
    name, _, function = _split(arguments.program)
    path = _source_of(name)
    versions = _versions(arguments.versions)
    found = check(path, function, versions, implied=arguments.implied)
    crosses = not any(checked.refused for checked in found)
    if arguments.json:
        print_json({"ok": crosses, "file": path, "points": [asdict(each) for each in found]})
    else:
        _print(path, found, versions, only_refused=arguments.refused)
    return EXIT_OK if crosses else EXIT_FAILED


def _split(program: str) -> tuple[str, str, str]:
    # a colon may belong to a path of Windows
    if Path(program).is_file():
        return program, "", ""
    name, colon, function = program.rpartition(":")
    return (name, colon, function) if colon else (program, "", "")


def _source_of(name: str) -> str:
    """The file of a module.  Raises UsageError."""
    if Path(name).is_file():
        return str(Path(name).absolute())
    sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        raise UsageError(f"there is no module {name!r}: {error}") from None
    finally:
        del sys.path[0]
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise UsageError(f"there is no file {name!r}, and no module of that name with a source")
    return spec.origin


def _versions(wanted: str | None) -> list[str]:
    from hetmig.interpreter import cpython

    known = [f"3.{minor}" for minor in range(cpython.OLDEST[1], cpython.NEWEST[1] + 1)]
    own = "{}.{}".format(*cpython.VERSION)
    if wanted is None:
        return [version for version in known if version != own]
    chosen = [version.strip() for version in wanted.split(",") if version.strip()]
    for version in chosen:
        if version not in known:
            raise UsageError(f"{version!r} is no version that hetmig knows: {', '.join(known)}")
    return chosen


def check(path: str, function: str, versions: list[str], *, implied: bool = False) -> list[Checked]:
    """The safe points of a source file, or of one function in it.  Raises HetmigError."""
    from hetmig import targets
    from hetmig.interpreter import crossing

    try:
        points = crossing.points_of(path)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no source that this Python can compile: {error}") from None
    chosen = {key: found for key, found in points.items() if _is_of(function, key)}
    if not chosen:
        raise UsageError(f"there is no function {function!r} in {path}")
    answers: dict[str, Mapping[str, list[str]] | None] = {}
    with ExitStack() as stack:
        for version in versions:
            python = stack.enter_context(crossing.Interpreter(targets.make(version)))
            answers[version] = python.reasons(path, chosen)
    shown = crossing.VISIBLE + crossing.INLINED + (crossing.IMPLIED if implied else ())
    return [
        Checked(
            key.partition(":")[0],
            each.line,
            each.what,
            {version: why for version in versions if (why := _why(answers[version], key, index))},
        )
        for key, crossings in chosen.items()
        for index, each in enumerate(crossings)
        if each.category in shown
    ]


def _is_of(function: str, key: str) -> bool:
    """Whether a code object is this function's, or inside it."""
    name = key.partition(":")[0]
    return not function or name == function or name.startswith(f"{function}.")


def _why(answer: Mapping[str, list[str]] | None, key: str, index: int) -> str:
    return "that Python can't compile the source" if answer is None else answer[key][index]


def _print(path: str, found: list[Checked], versions: list[str], *, only_refused: bool) -> None:
    out = console()
    source = Path(path).read_text("utf-8", errors="replace").splitlines()
    function = ""
    said: set[tuple[object, ...]] = set()
    for each in sorted(found, key=lambda each: (each.line, each.function)):
        # the compiler writes some of them several times, a `finally` block for example
        same = (each.function, each.line, each.what, *each.refused.items())
        if same in said or (only_refused and not each.refused):
            continue
        said.add(same)
        if each.function != function:
            function = each.function
            out.print(f"[bold]{plain(function)}[/]  [dim]{plain(place(path, each.line))}[/]")
        for line in _lines(each, source):
            out.print(line)
    for version in versions:
        crossed = sum(version not in each.refused for each in found)
        share = f"{100 * crossed / len(found):.1f} %" if found else "nothing to move"
        out.print(f"to {version}: {crossed} of {len(found)} safe points cross ({share})")


def _lines(each: Checked, source: list[str]) -> Iterator[str]:
    mark = "[red]stays  [/]" if each.refused else "[green]crosses[/]"
    text = source[each.line - 1].strip()[:60] if 0 < each.line <= len(source) else ""
    yield f"  {mark} {each.line:5}  {_WORDS.get(each.what, each.what)}: [dim]{plain(text)}[/]"
    for version, reason in each.refused.items():
        yield f"          {version}: {plain(reason)}"


_WORDS = {
    "before": "loop",
    "next": "loop",
    "anext": "loop",
    "enter": "entering with",
    "leave": "leaving with",
    "leave by exception": "leaving with, by an exception",
    "decorate": "decorator",
    "send iterator": "yield from",
    "send awaitable value": "await",
    "send awaitable entered": "await, entering async with",
    "send awaitable left": "await, leaving async with",
    "send anext": "await of an async for",
}
