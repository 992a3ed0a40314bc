"""`python -m tests.golden` writes the golden parcels that are missing, by all targets there are."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

WRITERS = (
    *("3.11", "3.12", "3.13", "3.14", "3.15", "i386", "arm64", "armhf", "s390x"),
    *("pyodide-3.11", "pyodide-3.14", "windows"),
)


def main() -> int:
    """Write them; 1 if a target could not."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(WRITERS)}")
    parser.add_argument("--here", action="store_true", help="this interpreter is the (one) NAME")
    parser.add_argument("--again", action="store_true", help="before a release: write all anew")
    given = parser.parse_args()
    if given.here:
        _write(given.names[0], given.again)
        return 0
    failed = [name for name in given.names or WRITERS if not _written_by(name, given.again)]
    return 1 if failed else 0


def _write(name: str, again: bool) -> None:
    from tests.golden.parcels import FILES, written

    directory = FILES / name
    directory.mkdir(parents=True, exist_ok=True)
    for file, content in written():
        place = directory / f"{file}.hetmig"
        if again or not place.exists():
            place.write_bytes(content)


def _written_by(name: str, again: bool) -> bool:
    from hetmig.errors import TargetUnavailable
    from hetmig.targets import make

    try:
        python = make(name)
    except TargetUnavailable as error:
        print(error, file=sys.stderr)
        return False
    root = Path(__file__).resolve().parent.parent.parent
    options = [name, "--here", *(["--again"] if again else [])]
    environment = dict(os.environ, PYTHONPATH=str(root))
    command = [python, "-m", "tests.golden", *options]
    ended = subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL)
    print(f"{name}: {'written' if ended.returncode == 0 else 'FAILED'}", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
