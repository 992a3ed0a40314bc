"""`hetmig inspect`: what a parcel or a checkpoint holds; nothing is unpickled."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    UsageError,
    add_command,
    add_keys_option,
    console,
    place,
    plain,
    print_json,
    size,
)
from hetmig.errors import ForgedParcel, UnsupportedFormat

if TYPE_CHECKING:
    from rich.console import Console

    from hetmig.state.parcel import Buffer, Parcel

__all__ = ["add_parser"]

EXAMPLES = """
hetmig inspect task.parcel
hetmig inspect task.parcel --json | jq '.manifest.frames[].function'
hetmig inspect task.parcel --key task.key    check its authentication code as well
hetmig inspect saved/3f2a91c06b7d.000001.000007.checkpoint
"""
KINDS = {
    "frames": "a frozen task",
    "call": "a call that has not begun",
    "script": "a script that has not begun",
    "value": "a value",
}
GOES_ON = {"again": "executes again the instruction at", "after": "goes on after the call at"}


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "inspect", run, __doc__, EXAMPLES)
    parser.add_argument("file", metavar="FILE|URL", help="a parcel or a checkpoint")
    add_keys_option(parser)
    parser.add_argument("--key", metavar="FILE", help="the secret it was sealed with")
    parser.add_argument("--json", action="store_true", help="all of it, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print what the manifest says."""
    parcel = _open(arguments.file, arguments.key, arguments.keys)
    lengths = [frame.nbytes for frame in parcel.frames]
    if arguments.json:
        print_json(
            {
                "authenticated": parcel.authenticated,
                "buffers": lengths,
                "manifest": parcel.manifest,
            }
        )
        return EXIT_OK
    try:
        _print(arguments.file, parcel, lengths)
    except (AttributeError, TypeError, ValueError):  # well-formed JSON, but not what we write
        raise UnsupportedFormat("the parcel's manifest is not of the form hetmig writes") from None
    return EXIT_OK


def _print(path: str, parcel: Parcel, lengths: list[int]) -> None:
    out = console()
    _print_heading(out, path, parcel, sum(lengths))
    for number, frame in enumerate(parcel.manifest.get("frames", []), 1):
        _print_frame(out, number, frame)
    sizes = ", ".join(size(length) for length in lengths[:12])
    buffers = "1 buffer" if len(lengths) == 1 else f"{len(lengths)} buffers"
    out.print(f"\nPayload: {buffers}: {sizes}{', ...' if len(lengths) > 12 else ''}")


def _open(path: str, key_path: str | None, keys: str | None) -> Parcel:
    from hetmig.state import parcel
    from hetmig.state.stores import is_url, store_at

    try:
        if is_url(path):
            whole, _, name = path.rpartition("/")
            wire = store_at(whole).read(name)
        else:
            wire = parcel.read_file(path)
        if "checkpoint" in parcel.peek(wire).manifest:
            return _open_checkpoint(wire, key_path, keys)
        if key_path is None:
            return parcel.peek(wire)
        with open(key_path, "rb") as file:
            return parcel.open_sealed(wire, file.read())
    except OSError as error:
        raise UsageError(f"{error.filename or path}: {error.strerror}") from None


def _open_checkpoint(wire: list[Buffer], key_path: str | None, keys: str | None) -> Parcel:
    """Checked with our own key, if it is ours; what is given with --key must fit."""
    from hetmig.node.checkpoint_keys import finder
    from hetmig.node.keys import default_directory
    from hetmig.state import parcel
    from hetmig.state.checkpoint import claimed

    find = finder(keys or default_directory(), [] if key_path is None else [key_path])
    peeked = parcel.peek(wire)
    key = find(*claimed(peeked.manifest))
    if key is not None:
        return parcel.open_sealed(wire, key)
    if key_path is not None:
        raise ForgedParcel(f"the checkpoint is not sealed with the secret in {key_path}")
    return peeked


def _print_heading(out: Console, path: str, parcel: Parcel, total: int) -> None:
    manifest = parcel.manifest
    python = manifest.get("python", {})
    kind = KINDS.get(str(manifest.get("kind")), f"of kind {manifest.get('kind')}")
    out.print(
        f"[bold]{plain(path)}[/]: {plain(kind)}, {size(total)},"
        f" format {plain(manifest.get('format'))}"
    )
    made_by = f"made by {python.get('implementation')} {python.get('version')}"
    if "system" in python:  # `hetmig.dumps` saves the bytes
        made_by += (
            f" on {python['system']} {python.get('machine')}"
            f" ({python.get('bits')}-bit, {python.get('byteorder')} endian)"
        )
    out.print(plain(made_by))
    minor = ".".join(str(python.get("version")).split(".")[:2])
    portable = manifest.get("portable") is True
    out.print(f"for {'every version of Python' if portable else f'Python {plain(minor)} only'}")
    _print_task(out, manifest.get("task", {}))
    _print_checkpoint(out, manifest)
    if parcel.authenticated:
        out.print("[green]authentication code checked[/]: sealed with this key and unchanged")
    else:
        out.print(
            "[yellow]authentication code not checked[/]: whoever made this file could write"
            " anything below"
        )


def _print_task(out: Console, task: dict[str, Any]) -> None:
    if not task:
        return
    out.print(plain(f"task {task.get('id')} ({task.get('name')}), hop {task.get('hops')}"))
    home = task.get("home")
    if home:
        out.print(plain(f"home node: {home.get('name')}, {home.get('endpoint')}"))


def _print_checkpoint(out: Console, manifest: dict[str, Any]) -> None:
    about = manifest.get("checkpoint")
    if not about:
        return
    taken = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(about.get("time", 0))))
    out.print(
        plain(
            f"checkpoint {about.get('number')} of {about.get('series')}, epoch"
            f" {about.get('epoch')}, taken {taken} on {about.get('node')}"
        )
    )
    if about.get("pinned_because"):
        out.print(plain(f"for one version of Python, because {about['pinned_because']}"))
    written = sum(int(length) for _, length in about.get("written", []))
    if written:
        out.print(f"with output that nobody had confirmed: {size(written)}")


def _print_frame(out: Console, number: int, frame: dict[str, Any]) -> None:
    out.print(
        f"\n[bold]#{number} {plain(frame.get('function'))}[/]"
        f"  {plain(place(str(frame.get('file')), int(frame.get('line', 0))))}"
        f"  [dim]{GOES_ON.get(str(frame.get('resume')), 'stands at')}"
        f" {plain(frame.get('offset'))}[/]"
    )
    for variable in frame.get("variables", []):
        _print_value(out, str(variable.get("name")), variable)
    for depth, value in enumerate(frame.get("stack", [])):
        _print_value(out, f"(stack {depth})", value)


def _print_value(out: Console, name: str, value: dict[str, Any]) -> None:
    row = f"   {name:<20} {value.get('type')!s:<28} {size(value.get('bytes', 0)):>9}"
    out.print(plain(row))
