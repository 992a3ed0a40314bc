"""The demo itself: two nodes, one task, three moves, and a run at home to compare with."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hetmig.client import NodeInfo, Task, connect
from hetmig.commands.common import plain
from hetmig.commands.plot import Move, Picture, draw
from hetmig.demo.corpus import count, standard_library
from hetmig.demo.job import Library, index_library
from hetmig.demo.plain import PlainRun
from hetmig.demo.show import Show, asked_by, hop_note, journey_table, machine, show_on
from hetmig.errors import HetmigError
from hetmig.journey import Hop
from hetmig.node.embedded import LocalNodes

__all__ = ["Outcome", "Plan", "run_demo"]

ONE, TWO = "one", "two"


@dataclass(frozen=True)
class Plan:
    """When the task moves, as shares of its work; it begins at the first node."""

    outward: float
    """Moved to the second node, from outside."""
    back: float
    """And back again, but not before `stay` seconds."""
    itself: float
    """From here on the job goes to the second node by itself, and ends there."""
    stay: float = 0.0


AT_HOME = Plan(0.20, 0.45, 0.70)
EMULATED = Plan(0.30, 0.31, 0.96, stay=3.0)
"""An emulated processor is some ten times slower: it gets less of the work."""


@dataclass(frozen=True)
class Outcome:
    """What came of it.  Times in seconds."""

    result: Any
    plain_result: Any
    seconds: float
    plain_seconds: float
    started: float
    """Seconds since the epoch, as in the hops."""
    hops: Sequence[Hop]

    @property
    def same(self) -> bool:
        """Whether moving made no difference to the result."""
        return bool(self.result == self.plain_result)


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    files: int | None = None
    """Read only so many."""
    python: Path | None = None
    """The second node's interpreter, if not this one."""
    plot: Path | None = None
    """Where to draw the journey."""
    keep_parcels: Path | None = None
    """Where to leave copies of the parcels."""


def run_demo(console: Console, options: Options) -> bool:
    """Run it, show it; return whether the results are equal."""
    library = standard_library(options.files)
    console.print(
        f"The job: to index the source of this Python's standard library,"
        f" [bold]{count(library):,} files[/].\n"
        f"It will be moved twice from outside, and once it moves by itself.\n"
        f"The same function runs beside it without moving, for comparison."
    )
    outcome = _run(console, library, options)
    _report(console, outcome)
    if options.plot is not None:
        options.plot.write_text(draw(picture(outcome)), "utf-8")
        console.print(f"\nThe journey is drawn in {plain(options.plot)}")
    if options.keep_parcels is not None:
        console.print(f"\nThe parcels are in {plain(options.keep_parcels)}: `hetmig inspect` them")
    return outcome.same


def _run(console: Console, library: Library, options: Options) -> Outcome:
    pythons = [None, None if options.python is None else str(options.python)]
    beside = PlainRun(library)
    try:
        with (
            LocalNodes(
                2, names=[ONE, TWO], python=pythons, keep_parcels=options.keep_parcels
            ) as local,
            connect(local[0], keys=local.keys) as nodes,
        ):
            known = nodes.nodes()
            _introduce(console, known)
            machines = {(node.python or {}).get("machine") for node in known}
            plan = AT_HOME if len(machines) == 1 else EMULATED
            started, begun = time.time(), time.monotonic()
            turn = round(plan.itself * count(library))
            task = nodes.submit(index_library, library, move_after=turn, move_to=TWO)
            with show_on(console, [ONE, TWO]) as show:
                _watch(task, plan, show, console)
            result = json.loads(json.dumps(task.result()))  # as the plain run's came here
            seconds, hops = time.monotonic() - begun, task.journey()
        plain_result, plain_seconds = beside.result()
    finally:
        beside.stop()
    return Outcome(result, plain_result, seconds, plain_seconds, started, hops)


def _introduce(console: Console, known: Sequence[NodeInfo]) -> None:
    for node in known:
        console.print(f"  node [bold]{plain(node.name)}[/]: {plain(machine(node.python or {}))}")


def _watch(task: Task, plan: Plan, show: Show, console: Console) -> None:
    """Show the task until it ends, and move it when it has come so far."""
    requests = [(plan.outward, 0.0, TWO), (plan.back, plan.stay, ONE)]
    shown, arrived = 0, time.monotonic()
    while True:
        ended = bool(wait([task], timeout=0.05).done)
        done, total, note = task.progress() or (0, 0, "")
        for hop in task.journey()[shown:]:
            shown += 1
            show.hop(shown, hop)
        show.update(done, total or 0, note, task.where())
        if ended:
            return
        if not requests or not total:
            continue
        share, stay, destination = requests[0]
        if done >= share * total and time.monotonic() - arrived >= stay:
            requests.pop(0)
            _move(task, destination, console)
            arrived = time.monotonic()


def _move(task: Task, destination: str, console: Console) -> None:
    try:
        task.migrate(destination, timeout=30)
    except HetmigError as error:
        console.print(f"  it could not move to {destination} and goes on: {plain(error)}")


def _report(console: Console, outcome: Outcome) -> None:
    index = outcome.result
    console.print()
    console.print(journey_table(outcome.hops))
    size, longest = index["longest functions"][0]
    console.print(
        f"\n[bold]Result[/]: {index['files']:,} files, {index['lines']:,} lines,"
        f" {index['words']:,} words, {index['different words']:,} different ones;\n"
        f"  longest function: {plain(longest)}, {size} lines\n"
        f"  most imported: {', '.join(name for _, name in index['most imported'][:5])}\n"
        f"  checksum {index['checksum'][:32]}..."
    )
    if outcome.same:
        console.print(
            f"[bold green]The same result[/] as the run that did not move:"
            f" {outcome.seconds:.1f} s here and there, {outcome.plain_seconds:.1f} s at home."
        )
    else:
        console.print("[bold red]Another result[/] than the run that did not move:")
        for name, value in index.items():
            if value != outcome.plain_result[name]:
                console.print(f"  {name}: {plain(value)}, not {plain(outcome.plain_result[name])}")


def picture(outcome: Outcome) -> Picture:
    """The journey as a picture."""
    machines = {ONE: "", TWO: ""}
    moves = []
    for hop in outcome.hops:
        machines[hop.source] = machine(hop.source_python)
        machines[hop.destination] = machine(hop.destination_python)
        start = hop.start_time - outcome.started
        note = f"{asked_by(hop)}, {hop_note(hop)}"
        moves.append(Move(hop.source, hop.destination, start, hop.freeze_s, note))
    return Picture(
        title=f"{outcome.result['files']:,} files read in {outcome.seconds:.1f} s, with"
        f" {len(moves)} moves on the way",
        lanes=list(machines.items()),
        first=ONE,
        moves=moves,
        end=outcome.seconds,
        comparison=("without moving", outcome.plain_seconds),
    )
