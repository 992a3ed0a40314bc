"""`python -m benchmarks [NAME ...]` measures and prints tables; see README.md beside this file."""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks import machine, plot
from benchmarks.report import Report, text
from hetmig import __version__

BENCHMARKS = (
    "idle",
    "reentry",
    "suspended",
    "request",
    "freeze",
    "hops",
    "checkpoint",
    "drain",
    "messages",
    "placement",
    "files",
    "divide",
    "shared",
    "dask",
    "portability",
    "executor",
)
_NEEDED = {"dask": "distributed"}
"""The packages that a benchmark needs, and that an extra of its name brings."""


def main(arguments: list[str] | None = None) -> None:
    """Run the named benchmarks, or all."""
    chosen = _parser().parse_args(arguments)
    about = machine.describe()
    print(_heading(sys.argv[1:] if arguments is None else arguments, about), flush=True)
    reports: dict[str, Report] = {}
    for name in chosen.names or _possible():
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        more = {"tasks": chosen.tasks} if name == "drain" else {}
        reports[name] = importlib.import_module(f"benchmarks.{name}").run(chosen.scale, **more)
        for table in reports[name].tables:
            print(f"\n{text(table)}", flush=True)
    figures = {name: report.figures for name, report in reports.items()}
    if chosen.json:
        found = {"machine": about, "scale": chosen.scale, "figures": figures}
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    if chosen.plot:
        if "placement" in figures:
            delays = plot.lines(
                figures["placement"]["delays_s"], "load of the nodes", "mean delay in seconds"
            )
            beside = chosen.plot.with_name("placement.svg")
            beside.write_text(delays, "utf-8")
            print(f"\n![Mean delay by the load of the nodes]({beside.name})")
        curves = figures.get("freeze", {}).get("times_ms")
        if not curves:
            if "placement" in figures:
                return
            sys.exit("--plot draws the times of `freeze` and `placement`: neither was measured")
        chosen.plot.write_text(plot.distribution(curves, "milliseconds"), "utf-8")
        parts = chosen.plot.with_stem(f"{chosen.plot.stem}-steps")
        steps = figures["freeze"]["steps_of_a_move_ms"]
        parts.write_text(plot.stacked(steps, "ms"), "utf-8")
        print(f"\n![Where the time of a move goes, median of each step]({parts.name})")
        print(f"\n![How long the task stood still, each time]({chosen.plot.name})")


def _possible() -> list[str]:
    """All benchmarks whose packages are here."""
    missing = {name for name, package in _NEEDED.items() if not find_spec(package)}
    for name in missing:
        print(f'without {name}: pip install "hetmig[{name}]"', file=sys.stderr)
    return [name for name in BENCHMARKS if name not in missing]


def _heading(arguments: list[str], about: dict[str, str]) -> str:
    lines = [f"- {name}: {value}" for name, value in about.items()]
    command = shlex.join(["python", "-m", "benchmarks", *arguments])
    return "\n".join([f"# Benchmarks of hetmig {__version__}", "", f"`{command}`", "", *lines])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What hetmig costs, beside plain Python, raw pickle and raw pyzmq.",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="measure more (2) or less (0.1)")
    parser.add_argument("--tasks", type=int, metavar="N", help="of `drain` (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the freeze times as SVG")
    return parser


if __name__ == "__main__":
    main()
