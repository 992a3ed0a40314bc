"""Results as tables for people and as data for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Report", "Table", "text"]


@dataclass
class Table:
    """One table: a title, column heads, rows of text or numbers, and what to know about it."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[object]]
    notes: Sequence[str] = ()


@dataclass
class Report:
    """What one benchmark found: its tables, and its figures by name."""

    tables: list[Table]
    figures: dict[str, Any] = field(default_factory=dict)


def text(table: Table) -> str:
    """Render a table in Markdown, aligned so that it reads in a terminal too."""
    rows = [[_cell(value) for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *rows, strict=True)]
    return "\n".join(_lines(table, rows, widths))


def _lines(table: Table, rows: list[list[str]], widths: list[int]) -> Iterator[str]:
    yield f"### {table.title}"
    yield ""
    yield _line([name.ljust(width) for name, width in zip(table.columns, widths, strict=True)])
    yield _line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield _line([first.ljust(widths[0]), *cells])
    yield ""
    for note in table.notes:
        yield f"- {note}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    """Round to what means something: three decimals for ratios and small times, else fewer."""
    if not isinstance(value, float):
        return str(value)
    return (
        f"{value:.3f}"
        if abs(value) < 10
        else f"{value:.1f}"
        if abs(value) < 1000
        else f"{value:,.0f}"
    )
