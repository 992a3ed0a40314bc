"""Draws a journey as SVG: time goes across, each node has a lane, a freeze is a gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from hetmig.commands.common import milliseconds, place, size
from hetmig.journey import Hop, Step

__all__ = ["Move", "Picture", "draw", "journey_of"]

WIDTH, MARGIN, LABELS = 1040, 24, 230
LANE, BAR, LEGEND_ROW = 64, 26, 22
COLOURS = ("#2f6fb3", "#c2571a", "#2f8f5b", "#8a4fa8", "#b03a5b", "#6b7a1f")
SIDES = {"source": COLOURS[0], "link": "#8b949e", "destination": COLOURS[1]}
STYLE = """
text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 18px; font-weight: 600 } .name { font-weight: 600 }
.faint { fill: #6a737d; font-size: 12px } .mark { fill: #fff; font-size: 11px; font-weight: 600 }
.lane { stroke: #e3e6ea } .grid { stroke: #eef0f2 } .hop { fill: none; stroke: #57606a }
.part { stroke: #fff }
"""


@dataclass(frozen=True)
class Move:
    """One move: from lane to lane, frozen at `start` for `freeze` seconds; what to say of it."""

    source: str
    destination: str
    start: float
    freeze: float
    note: str
    steps: Sequence[Step] = ()
    """Where the freeze went, drawn as a bar of parts beside the note."""


@dataclass(frozen=True)
class Picture:
    """What is drawn.  All times are seconds after the start of the run, which begins in `first`."""

    title: str
    lanes: Sequence[tuple[str, str]]
    """Name and a few words on each node, from top to bottom."""
    first: str
    moves: Sequence[Move]
    end: float
    comparison: tuple[str, float] | None = None
    """Name and seconds of a run that stayed where it was, drawn below as a lane of its own."""


def draw(picture: Picture) -> str:
    """The picture as the text of an SVG file."""
    canvas = _Canvas(picture)
    body = [*canvas.grid(), *canvas.lanes(), *canvas.bars(), *canvas.hops(), *canvas.legend()]
    size = f'width="{WIDTH}" height="{canvas.height}" viewBox="0 0 {WIDTH} {canvas.height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(picture.title)}</title><style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{canvas.height}" fill="#fff"/>',
            _text(MARGIN, MARGIN + 14, picture.title, "title"),
            *body,
            "</svg>\n",
        ]
    )


class _Canvas:
    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.rows = [name for name, _ in picture.lanes]
        self.notes = [note for _, note in picture.lanes]
        self.span = max(picture.end, 1e-9)
        if picture.comparison:
            self.span = max(self.span, picture.comparison[1])
        count = len(self.rows) + (1 if picture.comparison else 0)
        self.top = MARGIN + 34
        self.bottom = self.top + count * LANE
        self.row = LEGEND_ROW * (2 if any(move.steps for move in picture.moves) else 1)
        self.height = self.bottom + 52 + self.row * len(picture.moves) + MARGIN

    def x(self, seconds: float) -> float:
        left, right = MARGIN + LABELS, WIDTH - MARGIN
        return round(left + (right - left) * seconds / self.span, 1)

    def y(self, lane: str) -> float:
        return self.top + (self.rows.index(lane) + 0.5) * LANE

    def colour(self, lane: str) -> str:
        return COLOURS[self.rows.index(lane) % len(COLOURS)]

    def grid(self) -> Iterator[str]:
        step = tick_step(self.span)
        for i in range(int(self.span / step + 1e-9) + 1):
            x = self.x(i * step)
            yield f'<line class="grid" x1="{x}" x2="{x}" y1="{self.top}" y2="{self.bottom}"/>'
            yield _text(x, self.bottom + 18, f"{i * step:g} s", "faint", anchor="middle")

    def lanes(self) -> Iterator[str]:
        for row, (name, note) in enumerate(zip(self.rows, self.notes, strict=True)):
            yield from self._lane(row, name, note)
        if self.picture.comparison:
            name, seconds = self.picture.comparison
            yield from self._lane(len(self.rows), name, f"{seconds:.2f} s")
            y = self.top + (len(self.rows) + 0.5) * LANE
            yield self._bar(0, seconds, y, "#b6bdc5")

    def _lane(self, row: int, name: str, note: str) -> Iterator[str]:
        y = self.top + row * LANE
        yield (
            f'<line class="lane" x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y + LANE}"'
            f' y2="{y + LANE}"/>'
        )
        yield _text(MARGIN, y + LANE / 2 - 3, name, "name")
        yield _text(MARGIN, y + LANE / 2 + 15, note, "faint")

    def bars(self) -> Iterator[str]:
        lane, begin = self.picture.first, 0.0
        for move in self.picture.moves:
            yield self._bar(begin, move.start, self.y(lane), self.colour(lane))
            lane, begin = move.destination, move.start + move.freeze
        yield self._bar(begin, self.picture.end, self.y(lane), self.colour(lane))

    def _bar(self, begin: float, end: float, y: float, colour: str) -> str:
        width = max(self.x(end) - self.x(begin), 1.0)
        return (
            f'<rect x="{self.x(begin)}" y="{y - BAR / 2}" width="{width:.1f}" height="{BAR}"'
            f' rx="3" fill="{colour}"/>'
        )

    def hops(self) -> Iterator[str]:
        for number, move in enumerate(self.picture.moves, 1):
            x, x2 = self.x(move.start), self.x(move.start + move.freeze)
            y, y2 = self.y(move.source), self.y(move.destination)
            way = BAR / 2 if y2 > y else -BAR / 2
            yield f'<path class="hop" d="M{x} {y + way}L{x2} {y2 - way}"/>'
            yield _mark((x + x2) / 2, (y + y2) / 2, number)

    def legend(self) -> Iterator[str]:
        for number, move in enumerate(self.picture.moves, 1):
            y = self.bottom + 36 + self.row * number - (self.row - LEGEND_ROW)
            yield _mark(MARGIN + 9, y - 4, number)
            yield _text(MARGIN + 28, y, f"{move.source} → {move.destination}", "name")
            yield _text(MARGIN + LABELS, y, f"frozen {milliseconds(move.freeze)}, {move.note}")
            yield from self._parts(move, y + LEGEND_ROW)

    def _parts(self, move: Move, y: float) -> Iterator[str]:
        """The steps of a freeze, side by side and true to scale; the name of each on a hover."""
        x, width = float(MARGIN + LABELS), WIDTH - 2 * MARGIN - LABELS
        whole = sum(step.seconds for step in move.steps)
        for step in move.steps if whole else ():
            part = width * step.seconds / whole
            words = f"{step.side}: {step.step} {milliseconds(step.seconds)}"
            yield (
                f'<g><title>{escape(words)}</title><path class="part" fill="{SIDES[step.side]}"'
                f' d="M{x:.1f} {y - 12:.1f}h{part:.1f}v14h{-part:.1f}z"/></g>'
            )
            if part > 7 * len(step.step) + 6:
                yield _text(x + 4, y - 1, step.step, "mark")
            x += part


def journey_of(title: str, hops: Sequence[Hop], began: float, end: float) -> str:
    """A journey as the text of an SVG file; `began` and `end` in seconds since the epoch."""
    machines: dict[str, str] = {}
    moves = []
    for hop in hops:
        for name, python in (
            (hop.source, hop.source_python),
            (hop.destination, hop.destination_python),
        ):
            machines[name] = f"CPython {python.get('version')}, {python.get('machine')}"
        note = f"{size(hop.bytes)}, at {place(hop.file, hop.line)}"
        start = max(hop.start_time - began, 0.0)
        moves.append(Move(hop.source, hop.destination, start, hop.freeze_s, note, hop.steps))
    return draw(Picture(title, list(machines.items()), hops[0].source, moves, end - began))


def tick_step(span: float) -> float:
    """A round number of seconds that divides `span` into at most ten ticks."""
    step = 10.0**-4
    while True:
        for factor in (1, 2, 5):
            if span / (step * factor) <= 10:
                return step * factor
        step *= 10


def _mark(x: float, y: float, number: int) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="#57606a"/>' + _text(
        x, y + 4, str(number), "mark", anchor="middle"
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    attributes = f' class="{kind}"' if kind else ""
    attributes += "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(text)}</text>'
