"""`hetmig doctor`: can this Python take part, and what would it refuse?"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hetmig._version import __version__
from hetmig.commands.common import (
    EXIT_FAILED,
    EXIT_OK,
    add_command,
    console,
    plain,
    print_json,
)

__all__ = ["Finding", "add_parser", "examine"]

EXAMPLES = """
hetmig doctor
hetmig doctor --json
/path/to/another/python -m hetmig doctor
"""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` is "ok", "note" or "bad"."""

    name: str
    state: str
    detail: str


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "doctor", run, __doc__, EXAMPLES)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, print it; the exit code is 1 if hetmig can't work here."""
    findings = examine()
    refusals = _refusals(findings[0])
    healthy = all(finding.state != "bad" for finding in findings)
    if arguments.json:
        print_json(
            {
                "ok": healthy,
                "findings": [asdict(finding) for finding in findings],
                "refused": refusals,
            }
        )
    else:
        _print(findings, refusals, healthy)
    return EXIT_OK if healthy else EXIT_FAILED


def _print(findings: list[Finding], refusals: dict[str, str], healthy: bool) -> None:
    out = console()
    marks = {"ok": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}
    out.print(f"[bold]hetmig {__version__}[/] on this Python")
    for finding in findings:
        out.print(f"  {marks[finding.state]} {finding.name}: {plain(finding.detail)}")
    if refusals:
        out.print("\n[bold]Tried here and refused[/], each without harm to the program:")
    for what, reason in refusals.items():
        out.print(f"  {what}\n       [dim]{plain(reason)}[/]")
    out.print(
        "\nThis Python can run tasks and send them on."
        if healthy
        else "\n[red]This Python can't take part[/]: see what is bad above."
    )


def _refusals(interpreter: Finding) -> dict[str, str]:
    from hetmig.commands.refusals import try_refusals

    return try_refusals() if interpreter.state == "ok" else {}


def examine() -> list[Finding]:
    """Everything that decides whether this Python can take part."""
    findings = [_interpreter(), *_dependencies(), _curve(), _keys()]
    tracer = sys.gettrace() or sys.getprofile()
    if tracer is not None:
        findings.append(Finding("tracing", "note", f"{tracer} is active and slows each task"))
    return findings


def _interpreter() -> Finding:
    from hetmig.interpreter import proof
    from hetmig.state.manifest import this_python

    python = this_python()
    name = (
        f"{python['implementation']} {python['version']}, {python['system']} {python['machine']},"
        f" {python['bits']}-bit, {python['byteorder']} endian"
    )
    report = proof.self_check()
    if not report.ok:
        return Finding("interpreter", "bad", f"{name}: {report.reason}")
    source = report.details.get("source")
    return Finding("interpreter", "ok", f"{name}; frame layout ({source}) proven on known frames")


def _dependencies() -> Iterator[Finding]:
    """The distributions hetmig needs, as its own metadata lists them."""
    try:
        wanted = importlib.metadata.requires("hetmig") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("dependencies", "note", "hetmig is on the path without being installed")
        return
    for line in wanted:
        match = re.fullmatch(r"([\w.-]+)\s*>=\s*([\d.]+)", line)
        if match is None:  # an extra, or something with a marker
            continue
        name, minimum = match.groups()
        try:
            present = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "bad", f"missing; {minimum} or newer is needed")
            continue
        enough = _numbers(present) >= _numbers(minimum)
        yield Finding(name, "ok" if enough else "bad", f"{present} ({minimum} or newer is needed)")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def _curve() -> Finding:
    try:
        import zmq
    except ImportError as error:
        return Finding("ZeroMQ", "bad", str(error))
    name = f"libzmq {zmq.zmq_version()}"
    if not zmq.has("curve"):
        return Finding(
            "ZeroMQ", "bad", f"{name} is built without CURVE, and hetmig never talks in clear"
        )
    return Finding("ZeroMQ", "ok", f"{name} with CURVE")


def _keys() -> Finding:
    from hetmig.node.keys import default_directory

    directory = default_directory()
    secret = directory / "self.key_secret"
    if not secret.exists():
        return Finding("keys", "note", f"none yet; the first use makes them in {directory}")
    if sys.platform != "win32" and stat.S_IMODE(secret.stat().st_mode) & 0o077:
        return Finding("keys", "bad", f"others can read {secret}: chmod 600, better make new ones")
    return Finding("keys", "ok", str(directory))
