"""Draws where tasks were and when: a lane for each node, time goes across, a line for each move.

Boxes whose place across is a percentage, so that the page fits any screen and its text stays sharp.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hetmig.report.markup import Markup, el
from hetmig.report.model import Lane, Saved, Stay, Story
from hetmig.units import count, size, span

__all__ = ["Chart"]

_CAPTION, _GAP = 24, 12
_ROWS = ((12, 26), (40, 14), (1 << 30, 7))
"""Up to so many rows in a lane, each has so many pixels; in low ones there are no words."""
_WORDS_NEED = 20
_COLOURS = 8
_NEAR = 0.004
"""Of the width: bars nearer than this to each other do not share a row."""
_TICKS = 5
_LABELLED = 0.05
"""Of the width: a bar has to be so long to have words in it."""


class _Bar(NamedTuple):
    story: Story
    stay: Stay
    number: int
    row: int


class Chart:
    """Some tasks; `numbers` are those by which the page calls them."""

    def __init__(
        self, stories: Sequence[Story], lanes: Sequence[Lane], numbers: dict[str, int]
    ) -> None:
        self._begin = min(story.begin for story in stories)
        self._span = max(max(story.end for story in stories) - self._begin, 1e-6)
        self._stories, self._numbers = stories, numbers
        seen = {stay.node for story in stories for stay in story.stays}
        self._lanes = [lane for lane in lanes if lane.name in seen]
        self._bars: dict[str, list[_Bar]] = {lane.name: [] for lane in self._lanes}
        self._tops: dict[str, int] = {}
        self._pack()

    def _pack(self) -> None:
        """Bars that do not overlap share a row of their lane."""
        free: dict[str, list[float]] = {lane.name: [] for lane in self._lanes}
        stays = [(stay.begin, story, stay) for story in self._stories for stay in story.stays]
        for _, story, stay in sorted(stays, key=lambda entry: entry[0]):
            rows = free[stay.node]
            end = stay.end + _NEAR * self._span
            fitting = [row for row, until in enumerate(rows) if until <= stay.begin]
            row = fitting[0] if fitting else len(rows)
            rows[row : row + 1] = [end]
            self._bars[stay.node].append(_Bar(story, stay, self._numbers[story.id], row))
        most = max(map(len, free.values()))
        self._row = next(pixels for limit, pixels in _ROWS if most <= limit)
        top = 0
        for lane in self._lanes:
            self._tops[lane.name] = top
            top += _CAPTION + max(len(free[lane.name]), 1) * self._row + _GAP
        self._height = top

    def draw(self, label: str, *, marks: bool = False) -> Markup:
        """The picture; with `marks` moves have their numbers, and checkpoints and restarts show."""
        body = [self._grid(), self._lines()]
        for lane in self._lanes:
            body.append(self._caption(lane))
            body += [self._bar(bar) for bar in self._bars[lane.name]]
        if marks:
            body += self._marks()
        style = f"height:{self._height}px;--bar:{max(self._row - 4, 4)}px"
        plot = el("div", *body, class_="plot", style=style)
        return el("figure", plot, self._axis(), class_="chart", role="group", aria_label=label)

    def _x(self, when: float) -> float:
        """Where a time lies, in percent of the width."""
        return round(min(max(100 * (when - self._begin) / self._span, 0.0), 100.0), 3)

    def _y(self, bar: _Bar) -> int:
        return self._tops[bar.stay.node] + _CAPTION + bar.row * self._row

    def _middle(self, bar: _Bar) -> int:
        return self._y(bar) + max(self._row - 4, 4) // 2

    def _grid(self) -> Markup:
        lines = [
            el("i", class_="grid", style=f"left:{self._x(self._begin + tick)}%")
            for tick in self._ticks()
        ]
        floors = [
            el("i", class_="floor", style=f"top:{top - _GAP // 2}px")
            for top in list(self._tops.values())[1:]
        ]
        return el("div", *lines, *floors, aria_hidden="true")

    def _ticks(self) -> list[float]:
        step = _round_step(self._span / _TICKS)
        return [index * step for index in range(int(self._span / step + 1e-9) + 1)]

    def _axis(self) -> Markup:
        ticks = []
        for tick in self._ticks():
            x = self._x(self._begin + tick)
            edge = " first" if x < 3 else " last" if x > 94 else ""
            words = f"+{span(tick)}" if tick else "0"
            ticks.append(el("span", words, class_=f"tick{edge}", style=f"left:{x}%"))
        return el("div", *ticks, class_="axis", aria_hidden="true")

    def _caption(self, lane: Lane) -> Markup:
        return el(
            "p",
            el("b", lane.name),
            el("span", lane.words or "its Python is not known"),
            class_="caption",
            style=f"top:{self._tops[lane.name]}px",
        )

    def _bar(self, bar: _Bar) -> Markup:
        stay, story = bar.stay, bar.story
        left, right = self._x(stay.begin), self._x(stay.end)
        words = (
            f"{bar.number}, {story.name} on {stay.node}: from +{span(stay.begin - story.begin)} "
            f"for {span(stay.end - stay.begin)}; {_LEFT[stay.left]}"
        )
        kinds = f"bar c{(bar.number - 1) % _COLOURS} {stay.left or 'alive'}"
        has_room = right - left > 100 * _LABELLED and self._row > _WORDS_NEED
        shown = f"{bar.number} {story.name}" if has_room else ""
        place = f"left:min({left}%, 100% - 3px);top:{self._y(bar)}px"
        return el(
            "a",
            el("span", shown, aria_hidden="true"),
            class_=kinds,
            href=f"#task-{bar.number}",
            title=words,
            aria_label=words,
            style=f"{place};width:{round(right - left, 3)}%",
        )

    # Moves ------------------------------------------------------------------------------------

    def _pairs(self) -> Iterator[tuple[int, _Bar, _Bar]]:
        """Each stay of a task with the next one, and its number among the task's."""
        bars = [bar for found in self._bars.values() for bar in found]
        for story in self._stories:
            own = {bar.stay: bar for bar in bars if bar.story is story}
            stays = [own[stay] for stay in story.stays]
            for number, (before, after) in enumerate(itertools.pairwise(stays), 1):
                yield number, before, after

    def _lines(self) -> Markup:
        paths = []
        for _, before, after in self._pairs():
            x, x2 = 10 * self._x(before.stay.end), 10 * self._x(after.stay.begin)
            y, y2 = self._middle(before), self._middle(after)
            colour = f"line c{(before.number - 1) % _COLOURS} {before.stay.left}"
            paths.append(el("path", class_=colour, d=f"M{x:g} {y}L{x2:g} {y2}"))
        return el(
            "svg",
            *paths,
            viewBox=f"0 0 1000 {self._height}",
            preserveAspectRatio="none",
            aria_hidden="true",
        )

    def _marks(self) -> Iterator[Markup]:
        moves = 0
        for _, before, after in self._pairs():
            x, y = self._x(before.stay.end), self._middle(before)
            restarted = before.stay.left == "restarted"
            moves += not restarted
            shown, kind = ("R", "mark restart") if restarted else (str(moves), "mark")
            words = "restarted" if restarted else f"move {moves}"
            words += f", {before.stay.node} to {after.stay.node}"
            yield el("span", shown, class_=kind, title=words, style=f"left:{x}%;top:{y}px")
        for story in self._stories:
            for saved in story.checkpoints:
                yield self._checkpoint(story, saved)

    def _checkpoint(self, story: Story, saved: Saved) -> Markup:
        bars = [bar for bar in self._bars.get(saved.node, []) if bar.story is story]
        when = [bar for bar in bars if bar.stay.begin <= saved.time <= bar.stay.end]
        bar = (when or bars or [next(b for found in self._bars.values() for b in found)])[0]
        words = f"checkpoint {saved.number}, {size(saved.bytes)}"
        x, y = self._x(saved.time), self._y(bar) + self._row - 6
        return el("span", class_="saved", title=words, style=f"left:{x}%;top:{y}px")

    def words(self) -> str:
        """What the picture shows, in a sentence."""
        nodes = count(len(self._lanes), "node")
        return f"{count(len(self._stories), 'task')} on {nodes} in {span(self._span)}"


_LEFT = {
    "moved": "moved on",
    "restarted": "its node was lost",
    "ended": "ended there",
    "": "still there",
}


def _round_step(span: float) -> float:
    """A step that people like, not below this."""
    for step in _LONG if span > 10 else ():
        if step >= span:
            return float(step)
    unit = 86400.0 if span > 10 else 1.0
    ten = unit * 10.0 ** math.floor(math.log10(span / unit))
    return next(ten * factor for factor in (1, 2, 5, 10) if ten * factor >= span * (1 - 1e-9))


_LONG = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
