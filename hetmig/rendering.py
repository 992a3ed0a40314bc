"""Tasks, moves and lists of tasks for people: as HTML for notebooks, and as text."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING, Any

from hetmig.units import size

if TYPE_CHECKING:
    from hetmig.journey import Hop

__all__ = ["hop_html", "hop_text", "progress_text", "table_html", "task_html", "task_text"]

_COLOURS = {
    "running": "#1f77b4",
    "done": "#2ca02c",
    "failed": "#d62728",
    "lost": "#d62728",
    "cancelled": "#7f7f7f",
}
_BOX = "border:1px solid #8884;border-radius:6px;padding:6px 12px;display:inline-block"
_CELL = "text-align:left;padding:1px 14px 1px 0"


def hop_text(hop: Hop) -> str:
    """A move as a line of text."""
    at = f", at {hop.function} ({os.path.basename(hop.file)}:{hop.line})" if hop.frames else ""
    return (
        f"{hop.source} -> {hop.destination}: frozen {1000 * hop.freeze_s:.0f} ms, "
        f"{size(hop.bytes)}{at}"
    )


def hop_html(hop: Hop) -> str:
    """A move as a table of one row."""
    return _moves([hop])


def task_text(summary: Mapping[str, Any], name: str, hops: Sequence[Hop]) -> str:
    """A task: a line, and one for each of its moves."""
    words = [name, str(summary["state"]), f"on {summary['node']}" if summary.get("node") else ""]
    if summary["progress"] is not None:
        words.append(progress_text(*summary["progress"]))
    head = ", ".join(word for word in words if word)
    return "\n".join([head, *(f"  {hop_text(hop)}" for hop in _running(hops))])


def task_html(summary: Mapping[str, Any], name: str, hops: Sequence[Hop]) -> str:
    """A task: how it is, how far it is, and its journey."""
    hops = _running(hops)
    state = str(summary["state"])
    colour = _COLOURS.get(state, "#ff7f0e")
    parts = [
        f"<b>{escape(name)}</b>",
        f'<span style="color:{colour}">●&nbsp;{escape(state)}</span>',
    ]
    if summary.get("node"):
        parts.append(_way(str(summary["node"]), hops))
    if summary["progress"] is not None:
        parts.append(_progress_html(*summary["progress"]))
    below = _moves(hops) if hops else ""
    return f'<div style="{_BOX}">{" &ensp; ".join(parts)}{below}</div>'


def table_html(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row has the heads."""
    heads = "".join(f'<th style="{_CELL}">{escape(head)}</th>' for head in rows[0])
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(text)}</td>' for text in row) + "</tr>"
        for row in rows[1:]
    )
    return f'<table style="margin:4px 0"><tr>{heads}</tr>{body}</table>'


def _moves(hops: Sequence[Hop]) -> str:
    rows = [["FROM", "TO", "FROZEN", "SIZE", "AT", "PYTHON"]]
    for hop in hops:
        at = f"{hop.function}, line {hop.line}" if hop.frames else ""
        versions = [asdict(hop)[side].get("version", "") for side in _SIDES]
        python = versions[0] if versions[0] == versions[1] else " → ".join(versions)
        frozen = f"{1000 * hop.freeze_s:.0f} ms"
        rows.append([hop.source, hop.destination, frozen, size(hop.bytes), at, python])
    return table_html(rows)


_SIDES = ("source_python", "destination_python")


def _running(hops: Sequence[Hop]) -> list[Hop]:
    """Not what was only brought to where it was to begin."""
    return [hop for hop in hops if hop.requested_by != "placement"]


def _way(node: str, hops: Sequence[Hop]) -> str:
    """The nodes it was on; the last one is where it is."""
    names = [hop.source for hop in hops] if len(hops) < 8 else ["…"]
    return " → ".join([*map(escape, names), f"<b>{escape(node)}</b>"])


def progress_text(done: float, total: float | None, note: str) -> str:
    """What a task has reported, as people read it."""
    share = f"{100 * done / total:.0f} %" if total else f"{done:g}"
    return f"{share} {note}".strip()


def _progress_html(done: float, total: float | None, note: str) -> str:
    value = f' value="{done:g}" max="{total:g}"' if total else ""
    words = escape(progress_text(done, total, note))
    return f'<progress{value} style="vertical-align:middle"></progress> {words}'
