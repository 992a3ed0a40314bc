"""Fuzz what reads bytes of others.  Ends with 1 if anything but a HetmigError came back.

python -m tests.fuzz                       10^6 inputs
python -m tests.fuzz --count 5000 --target message --seed 7 --keep
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.mutation import Fuzzer
from tests.fuzz.targets import TARGETS, name_of, seeds

CORPUS = Path(__file__).parent / "corpus"


def pool(name: str) -> list[bytes]:
    """The seeds of a target, and the corpus."""
    files = sorted((CORPUS / name).glob("*"))
    return [*seeds()[name], *(file.read_bytes() for file in files)]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs, of all targets")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--keep", action="store_true", help="add new answers to the corpus")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chosen = arguments.target or sorted(TARGETS)
    bad = 0
    for name in chosen:
        fuzzer = Fuzzer(name, pool(name), arguments.seed)
        began = time.monotonic()
        report = fuzzer.run(arguments.count // len(chosen))
        print(f"{report} ({time.monotonic() - began:.0f} s)", flush=True)
        for data, answer in report.found[:20]:
            print(f"  FOUND {answer}\n        {data[:200]!r}")
        bad += len(report.found)
        keep = [data for data, _ in report.found]
        if arguments.keep:
            keep += report.kept
        for data in keep:
            (CORPUS / name).mkdir(exist_ok=True)
            (CORPUS / name / name_of(data)).write_bytes(data)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
