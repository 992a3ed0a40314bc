"""How numbers are shown to people: bytes and times."""

from __future__ import annotations

__all__ = ["count", "milliseconds", "percent", "size", "span"]


def size(count: float) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    if count < 1000:
        return f"{count:.0f} B"
    units = ["kB", "MB", "GB"]
    count /= 1000
    while count >= 999.5 and len(units) > 1:
        del units[0]
        count /= 1000
    return f"{count:.3g} {units[0]}"


def milliseconds(seconds: float) -> str:
    """A short time as people read it."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def span(seconds: float) -> str:
    """A time, short or long, as people read it."""
    if seconds < 1:
        return milliseconds(seconds) if seconds else "0 s"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{seconds / 86400:.3g} days" if seconds < 8.64e6 else f"{seconds / 86400:.0f} days"


def count(number: int, what: str, plural: str = "") -> str:
    """A number of things, in words."""
    return f"{number} {what if number == 1 else plural or what + 's'}"


def percent(share: float) -> str:
    """A part of a whole; the space does not break."""
    value = 100 * share
    if 0 < value < 0.001:
        return "less than 0.001\xa0%"
    return f"{value:.0f}\xa0%" if value >= 10 else f"{value:.2g}\xa0%"
