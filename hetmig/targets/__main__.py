"""`python -m hetmig.targets NAME ...` makes targets; `--list` shows them."""

from __future__ import annotations

import argparse
import sys

from hetmig.errors import TargetUnavailable
from hetmig.targets import TARGETS, available, make


def main(arguments: list[str] | None = None) -> int:
    """Make the named targets; return 1 if one of them can not be made here."""
    parser = argparse.ArgumentParser(
        prog="python -m hetmig.targets",
        description="Make interpreters of other CPUs and versions, without installing anything.",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="for example arm64 s390x")
    parser.add_argument("--list", action="store_true", help="show every target and where it is")
    chosen = parser.parse_args(arguments)
    if chosen.list or not chosen.names:
        _show()
        return 0
    failures = [name for name in chosen.names if not _made(name)]
    return 1 if failures else 0


def _show() -> None:
    for name, target in TARGETS.items():
        python = available(name) or "-"
        print(f"{name:12} {target.version:5}  {target.about:27} {target.origin:46} {python}")


def _made(name: str) -> bool:
    try:
        python = make(name, progress=lambda line: print(line, file=sys.stderr, flush=True))
    except TargetUnavailable as error:
        print(f"unavailable: {error}", file=sys.stderr, flush=True)
        return False
    print(f"{name} {python}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
