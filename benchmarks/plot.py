"""Draws distributions of times as an SVG: which share of the measurements took at most how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

__all__ = ["distribution", "lines", "stacked"]

_WIDTH, _HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 24, 16, 44
_ENTRY = 18
"""Height of a line of the legend, which stands below."""
_COLOURS = (
    "#b3372a", "#2a6f97", "#5b8c3a", "#8a5a9e", "#7a7a7a", "#c08a1e", "#3f8f8f", "#444444",
)  # fmt: skip


def distribution(curves: Mapping[str, Sequence[float]], unit: str) -> str:
    """Return an SVG of the cumulative distributions of `curves`, over a logarithmic axis."""
    everything = [value for values in curves.values() for value in values]
    low, high = math.floor(math.log10(min(everything))), math.ceil(math.log10(max(everything)))
    axis = _Axis(low, max(high, low + 1))
    body = [*axis.draw(unit)]
    for number, (name, values) in enumerate(curves.items()):
        body += axis.curve(name, sorted(values), number)
    height = _HEIGHT + _ENTRY * len(curves) + _ENTRY // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


class _Axis:
    """Places values between two powers of ten."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def _x(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, share: float) -> float:
        return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)

    def draw(self, unit: str) -> Iterator[str]:
        """Yield the grid and its labels."""
        for power in range(self._low, self._high + 1):
            x = self._x(10.0**power)
            yield _line(x, self._y(0), x, self._y(1))
            yield _text(x, self._y(0) + 16, f"{10.0**power:g}", "middle")
        for share in (0, 0.25, 0.5, 0.75, 1):
            y = self._y(share)
            yield _line(_LEFT, y, _WIDTH - _RIGHT, y)
            yield _text(_LEFT - 6, y + 4, f"{share:.0%}", "end")
        yield _text(_WIDTH / 2, _HEIGHT - 8, f"{unit}, at most", "middle")

    def curve(self, name: str, values: Sequence[float], number: int) -> Iterator[str]:
        """Yield one distribution as steps, and its entry in the legend."""
        colour = _COLOURS[number % len(_COLOURS)]
        count = len(values)
        steps = [f"M{self._x(values[0]):.1f},{self._y(0):.1f}"]
        for index, value in enumerate(values):
            steps.append(f"H{self._x(value):.1f}V{self._y((index + 1) / count):.1f}")
        yield f'<path d="{"".join(steps)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        y = _HEIGHT + _ENTRY * (number + 0.5)
        yield _line(_LEFT, y - 4, _LEFT + 20, y - 4, colour, 2)
        yield _text(_LEFT + 28, y, f"{name} (median {values[count // 2]:.3g})")


def _line(x: float, y: float, x2: float, y2: float, colour: str = "#ddd", width: int = 1) -> str:
    place = f'x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def stacked(rows: Mapping[str, Sequence[tuple[str, str, float]]], unit: str) -> str:
    """Return an SVG with a bar per row, of (side, step, length) parts; a colour for each side."""
    longest = max(sum(length for *_, length in parts) for parts in rows.values())
    sides = list(dict.fromkeys(side for parts in rows.values() for side, *_ in parts))
    colours = dict(zip(sides, _COLOURS, strict=False))
    left, scale = 130, (_WIDTH - 130 - _RIGHT) / longest
    body = []
    for number, (name, parts) in enumerate(rows.items()):
        y = _TOP + 70 * number
        total = sum(length for *_, length in parts)
        body.append(_text(8, y + 18, name))
        body.append(_text(8, y + 34, f"{total:.2f} {unit}"))
        x = float(left)
        for side, step, length in parts:
            width = length * scale
            label = escape(f"{side}: {step} {length:.2f} {unit}")
            body.append(
                f'<g><title>{label}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}"'
                f' height="40" fill="{colours[side]}" stroke="white"/></g>'
            )
            if width > 7 * len(step) + 6:
                body.append(_text(x + 4, y + 24, step))
            x += width
    bottom = _TOP + 70 * len(rows)
    for number, side in enumerate(sides):
        x = left + 140 * number
        body.append(f'<rect x="{x}" y="{bottom}" width="12" height="12" fill="{colours[side]}"/>')
        body.append(_text(x + 18, bottom + 11, side))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 28}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{bottom + 28}" fill="white"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def lines(
    curves: Mapping[str, Sequence[tuple[float, float, float, float]]], across: str, up: str
) -> str:
    """Return an SVG of curves of (x, y, low, high) points, over a logarithmic axis upwards."""
    points = [point for curve in curves.values() for point in curve]
    least, most = min(y for _, y, *_ in points), max(y for _, y, *_ in points)
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    right = max(x for x, *_ in points)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(max(y, 10.0**low)) - low) / max(high - low, 1)
        across = _LEFT + x / right * (_WIDTH - _LEFT - _RIGHT)
        return across, _TOP + (1 - min(share, 1)) * (_HEIGHT - _TOP - _BOTTOM)

    body = []
    for power in range(low, high + 1):
        _, y = place(0, 10.0**power)
        body += [
            _line(_LEFT, y, _WIDTH - _RIGHT, y),
            _text(_LEFT - 6, y + 4, f"{10.0**power:g}", "end"),
        ]
    for x in sorted({x for x, *_ in points}):
        left, y = place(x, 10.0**low)
        body.append(_text(left, y + 16, f"{x:g}", "middle"))
    body.append(_text(_WIDTH / 2, _HEIGHT - 8, f"{across}; upwards: {up}", "middle"))
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y, *_ in curve)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, _, least, most in curve:
            body.append(_line(*place(x, least), *place(x, most), colour, 2))
        y = _HEIGHT + _ENTRY * (number + 0.5)
        body += [_line(_LEFT, y - 4, _LEFT + 20, y - 4, colour, 2), _text(_LEFT + 28, y, name)]
    height = _HEIGHT + _ENTRY * len(curves) + _ENTRY // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )
