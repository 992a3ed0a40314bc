"""What the demo shows while it runs: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Protocol, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hetmig.commands.common import milliseconds, place, plain, size
from hetmig.journey import Hop

__all__ = ["Show", "hop_note", "hop_sentence", "journey_table", "show_on"]

COLOURS = ("dodger_blue1", "dark_orange", "green3", "medium_purple", "deep_pink2", "yellow3")


class Show(Protocol):
    """Where a run is shown."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """End with what is there."""

    def update(self, done: float, total: float, note: str, node: str) -> None:
        """The task is on `node` and has done so much."""

    def hop(self, number: int, hop: Hop) -> None:
        """The task has moved."""


class Live:
    """A progress bar that stays in place while lines appear above it."""

    def __init__(self, console: Console, nodes: Sequence[str]) -> None:
        self._colours = dict(zip(nodes, COLOURS * len(nodes), strict=False))
        self._console = console
        self._progress = Progress(
            TextColumn("{task.fields[where]}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("files"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}", table_column=None),
            console=console,
        )
        self._bar = self._progress.add_task("", total=None, where="", note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: float, total: float, note: str, node: str) -> None:
        """Move the bar."""
        where = f"on [bold {self._colours.get(node, 'white')}]{plain(node):<6}[/]"
        self._progress.update(
            self._bar, completed=done, total=total, note=plain(note[:40]), where=where
        )

    def hop(self, number: int, hop: Hop) -> None:
        """Print above the bar."""
        self._console.print(hop_sentence(number, hop))


class Lines:
    """One line per tenth of the work, and per move."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tenth, self._node = -1, ""
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, done: float, total: float, note: str, node: str) -> None:
        """Print when another tenth is done."""
        tenth = int(done * 10 // max(total, 1))
        if tenth > self._tenth or node != self._node:
            self._tenth, self._node = tenth, node
            elapsed = time.monotonic() - self._start
            self._console.print(
                f"{elapsed:5.1f} s  on {plain(node):<6} {done:>5} of {total} files  {plain(note)}"
            )

    def hop(self, number: int, hop: Hop) -> None:
        """Print it."""
        self._console.print(hop_sentence(number, hop))


def show_on(console: Console, nodes: Sequence[str]) -> Show:
    """The one that fits the console."""
    if console.is_terminal:
        return Live(console, nodes)
    return Lines(console)


def machine(python: Mapping[str, Any]) -> str:
    """A node's Python and processor in a few words."""
    words = [f"CPython {python.get('version')}", f"{python.get('machine')}"]
    if python.get("byteorder") == "big":
        words.append("big endian")
    if python.get("bits") == 32:
        words.append("32-bit")
    return ", ".join(words)


def asked_by(hop: Hop) -> str:
    """Who wanted the move, in words."""
    return "by the task itself" if hop.requested_by == "task" else "from outside"


def hop_note(hop: Hop) -> str:
    """What is worth knowing of a move, without its freeze time."""
    frames = "1 frame" if hop.frames == 1 else f"{hop.frames} frames"
    return f"{size(hop.bytes)}, {frames}, at {stood_at(hop)}"


def stood_at(hop: Hop) -> str:
    """Where it stood, with as much of the path as tells the file."""
    path = PurePath(place(hop.file, hop.line))
    return f"{hop.function} ({PurePath(*path.parts[-2:])})"


def hop_sentence(number: int, hop: Hop) -> str:
    """One line about a move, with markup."""
    return (
        f"  [bold]{number}. {plain(hop.source)} → {plain(hop.destination)}[/]"
        f" ({asked_by(hop)}): frozen [bold]{milliseconds(hop.freeze_s)}[/], {plain(hop_note(hop))}"
    )


def journey_table(hops: Sequence[Hop]) -> Table:
    """The journey as a table."""
    table = Table(title="Journey", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for heading in ("", "from", "to", "asked by"):
        table.add_column(heading)
    for heading in ("frozen", "bytes", "frames"):
        table.add_column(heading, justify="right")
    table.add_column("stood at", overflow="fold")
    for number, hop in enumerate(hops, 1):
        table.add_row(
            str(number),
            plain(hop.source),
            plain(hop.destination),
            "itself" if hop.requested_by == "task" else "outside",
            milliseconds(hop.freeze_s),
            size(hop.bytes),
            str(hop.frames),
            plain(stood_at(hop)),
        )
    return table
