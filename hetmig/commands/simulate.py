"""`hetmig simulate`: placement policies on simulated nodes, before they move anything real.

The policies are those of `hetmig node --policy`, own ones included. All of them get the same tasks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    add_command,
    byte_count,
    print_json,
    print_rows,
    seconds,
    whole_number,
)

if TYPE_CHECKING:
    from hetmig.simulation import Arrival, Interval, Lifetimes, Outcome

__all__ = ["add_parser"]

EXAMPLES = """
hetmig simulate --nodes 1000 --policy none --policy age
hetmig simulate --nodes 6 --load 0.7 --policy place --policy age:place=true,pull=true --seeds 10
hetmig simulate --nodes 50 --trace tasks.csv --policy mymodule:MyPolicy
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, "simulate", run, __doc__, EXAMPLES)
    parser.add_argument(
        "--nodes", metavar="N", type=_positive, default=6, help="nodes (default: 6)"
    )
    parser.add_argument(
        "--policy",
        metavar="NAME[:KEY=VALUE,...]",
        action="append",
        help="as for hetmig node; several are compared (default: none, place and age)",
    )
    parser.add_argument(
        "--trace",
        metavar="FILE.csv",
        type=Path,
        help="columns time, lifetime; node, size, name, expected if there (default: synthetic)",
    )
    _add_synthetic(parser)
    parser.add_argument(
        "--slots", metavar="N", type=_positive, default=1, help="of each node (default: 1)"
    )
    _add_costs(parser)
    parser.add_argument(
        "--restrained",
        action="store_true",
        help="with cool-down, rate and interval, as a node runs it",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_synthetic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks", metavar="N", type=_positive, default=20_000, help="of a synthetic trace (20000)"
    )
    parser.add_argument(
        "--load", metavar="X", type=seconds, default=0.5, help="share of the time busy (0.5)"
    )
    parser.add_argument(
        "--lifetimes",
        choices=("pareto", "exponential"),
        default="pareto",
        help="Unix-like, or without memory (default: pareto)",
    )
    parser.add_argument(
        "--skew",
        metavar="X",
        type=float,
        default=0.0,
        help="share of the tasks that come to a tenth of the nodes (0)",
    )
    parser.add_argument(
        "--seeds", metavar="N", type=_positive, default=3, help="synthetic traces (default: 3)"
    )


def _add_costs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fixed",
        metavar="SECONDS",
        type=float,
        default=0.005,
        help="for which a task that moves stands still at least (0.005)",
    )
    parser.add_argument(
        "--place",
        metavar="SECONDS",
        type=float,
        default=0.005,
        help="until a new task begins at another node (0.005)",
    )
    parser.add_argument(
        "--size", metavar="SIZE", type=byte_count, default=1 << 20, help="of a task, mean (1M)"
    )
    parser.add_argument(
        "--bandwidth",
        metavar="SIZE",
        type=byte_count,
        default=100 << 20,
        help="that travels in a second (100M)",
    )


def _positive(text: str) -> int:
    number = whole_number(text)
    if number == 0:
        raise argparse.ArgumentTypeError("0 is too few")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Simulate, and print a table."""
    from hetmig.simulation import Costs, compare, interval

    costs = Costs(arguments.fixed, arguments.bandwidth or 1, arguments.place)
    trace, seeds = _trace(arguments)
    outcomes = compare(
        arguments.policy or ["none", "place", "age"],
        trace,
        arguments.nodes,
        seeds,
        costs=costs,
        restrained=arguments.restrained,
        slots=arguments.slots,
    )
    figures = {policy: _figures(found, interval) for policy, found in outcomes.items()}
    if arguments.json:
        print_json({"nodes": arguments.nodes, "seeds": len(seeds), "policies": figures})
    else:
        _show(figures)
    return EXIT_OK


def _trace(arguments: argparse.Namespace) -> tuple[Callable[[int], Iterable[Arrival]], list[int]]:
    from hetmig.simulation import Exponential, Pareto, poisson, read_csv

    if arguments.trace is not None:
        read = read_csv(arguments.trace)
        return lambda seed: read, [0]
    pareto = Pareto()
    lifetimes: Lifetimes = pareto
    if arguments.lifetimes == "exponential":
        lifetimes = Exponential(pareto.mean)

    def synthetic(seed: int) -> Iterable[Arrival]:
        return poisson(
            arguments.nodes,
            arguments.load,
            arguments.tasks,
            lifetimes,
            seed=seed,
            slots=arguments.slots,
            size=arguments.size,
            skew=arguments.skew,
        )

    return synthetic, list(range(arguments.seeds))


def _figures(found: list[Outcome], interval: Callable[[list[float]], Interval]) -> dict[str, Any]:
    delay = interval([outcome.delay for outcome in found])
    bounded = len(found) > 1
    return {
        "tasks": sum(outcome.tasks for outcome in found),
        "delay_s": delay.mean,
        "delay_low_s": delay.low if bounded else None,
        "delay_high_s": delay.high if bounded else None,
        "slowdown": interval([outcome.slowdown for outcome in found]).mean,
        "severe": interval([outcome.severe for outcome in found]).mean,
        "moves": sum(outcome.moves for outcome in found),
        "placed": sum(outcome.placed for outcome in found),
        "frozen_s": sum(outcome.frozen for outcome in found),
    }


def _show(figures: dict[str, dict[str, Any]]) -> None:
    heads = ["POLICY", "DELAY", "95 %", "SLOWDOWN", "OVER 3", "MOVES", "PLACED", "TASKS"]
    rows = [heads]
    for policy, found in figures.items():
        low, high = found["delay_low_s"], found["delay_high_s"]
        bounds = "" if low is None else f"{max(low, 0):.4f} to {high:.4f}"
        row = [policy, f"{found['delay_s']:.4f} s", bounds, f"{found['slowdown']:.3f}"]
        row += [f"{100 * found['severe']:.1f} %", str(found["moves"]), str(found["placed"])]
        rows.append([*row, str(found["tasks"])])
    print_rows(rows)
