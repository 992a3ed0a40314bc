"""A report as one HTML page: no scripts, nothing from the network, light and dark."""

from __future__ import annotations

from importlib.resources import files

from hetmig._version import __version__
from hetmig.report import parts
from hetmig.report.chart import Chart
from hetmig.report.markup import Markup, el, join
from hetmig.report.model import Report, Story
from hetmig.units import count, milliseconds, percent, size, span

__all__ = ["page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_DRAWN = 60
"""So many tasks have a part of the page; of more, those that moved most."""
_IN_PICTURE = 200


def page(report: Report) -> str:
    """The page."""
    numbers = {story.id: number for number, story in enumerate(report.stories, 1)}
    body = [_top(report)]
    if report.stories:
        body += [_tiles(report), _picture(report, numbers)]
        drawn = _drawn(report)
        body.append(parts.card("Tasks", parts.tasks(report, numbers, drawn)))
        body += _where_the_time_went(report)
        body += _stories(report, numbers, drawn)
        body.append(parts.card("Nodes", parts.nodes(report.lanes)))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="generator", content=f"hetmig {__version__}"),
        el("title", _headline(report)),
        el("style", _style()),
    )
    main = el("main", *body, _foot())
    return f"<!DOCTYPE html>\n{el('html', head, el('body', main), lang='en')}\n"


def _style() -> Markup:
    return Markup(files("hetmig.report").joinpath("style.css").read_text("utf-8"))


def _headline(report: Report) -> str:
    totals = report.totals()
    tasks, moves = totals["tasks"], totals["moves"]
    if not tasks:
        return f"{report.asked} knows of no tasks"
    nodes = count(totals["nodes"], "node")
    if not moves:
        return f"{count(tasks, 'task')} on {nodes}"
    times = "once" if moves == 1 else f"{moves} times"
    return f"{count(tasks, 'task')} on {nodes}, moved {times}"


def _top(report: Report) -> Markup:
    totals = report.totals()
    lived, frozen = totals["lived_s"], totals["frozen_s"]
    said = f"As {report.asked} tells it. "
    if totals["moves"]:
        share = frozen / lived if lived else 0.0
        said += (
            f"Of {span(lived)} that tasks were there, they stood still for "
            f"{milliseconds(frozen)} to move: {percent(share)}."
        )
    return el(
        "header",
        el("p", "hetmig report", class_="brand"),
        el("h1", _headline(report)),
        el("p", said),
        el("p", "Made ", parts.moment(report.made), class_="faint"),
    )


def _tiles(report: Report) -> Markup:
    totals = report.totals()
    tiles = [
        ("Tasks", str(totals["tasks"]), f"{totals['alive']} still there"),
        ("Moves", str(totals["moves"]), f"between {count(totals['nodes'], 'node')}"),
        (
            "Frozen, median",
            milliseconds(totals["median_freeze_s"]) if totals["moves"] else "–",
            f"longest {milliseconds(totals['longest_freeze_s'])}" if totals["moves"] else "",
        ),
        ("Moved", size(totals["bytes"]), "in sealed parcels"),
        ("Checkpoints", str(totals["checkpoints"]), ""),
        ("Restarts", str(totals["restarts"]), "after a node was lost"),
    ]
    made = [
        el("div", el("dt", name), el("dd", el("b", value), el("small", note)), class_="tile")
        for name, value, note in tiles
    ]
    return el("dl", *made, class_="tiles")


def _picture(report: Report, numbers: dict[str, int]) -> Markup:
    shown = report.stories[-_IN_PICTURE:]
    chart = Chart(shown, report.lanes, numbers)
    about = "Time goes across; each node has a lane, each task a number and a colour."
    if len(shown) < len(report.stories):
        about += f" These are the last {len(shown)} of {len(report.stories)} tasks."
    return parts.card("Who was where", chart.draw(chart.words()), about=about)


def _where_the_time_went(report: Report) -> list[Markup]:
    if not report.steps():
        return []
    about = "All freezes together, step by step: seconds of a mean move, and the share of all."
    return [parts.card("Where the time went", parts.steps(report), about=about)]


def _drawn(report: Report) -> set[str]:
    """Who gets a part of the page."""

    def weight(story: Story) -> tuple[int, int]:
        return len(story.hops) + len(story.restarts), len(story.checkpoints)

    chosen = sorted(report.stories, key=weight, reverse=True)[:_DRAWN]
    return {story.id for story in chosen}


def _stories(report: Report, numbers: dict[str, int], drawn: set[str]) -> list[Markup]:
    found = [
        parts.story_card(story, numbers[story.id], report.lanes)
        for story in report.stories
        if story.id in drawn
    ]
    if left := len(report.stories) - len(found):
        told = f"{count(left, 'task')} more, which moved least, have a line in the table above."
        found.append(el("p", told, class_="faint"))
    return found


def _foot() -> Markup:
    return el(
        "footer",
        el(
            "p",
            "A freeze is the time from a task's last instruction at the source until the "
            "destination owned it, by the source's clock; each side times its own steps, and what "
            "is left was spent on the way. Times of day are by the clock of the node in question, "
            "so lanes of machines whose clocks differ may be shifted a little.",
        ),
        el("p", join("hetmig ", __version__)),
    )
