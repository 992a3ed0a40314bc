"""HTML made of parts: whatever is no markup is escaped, so nothing foreign becomes markup."""

from __future__ import annotations

import html
from typing import TypeAlias

__all__ = ["Content", "Markup", "el", "join"]

_VOID = frozenset({"meta", "br"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content: TypeAlias = "str | int | float | Markup | None"


def el(tag: str, *children: Content, **attributes: Content) -> Markup:
    """An element.  `class_` is `class`, `aria_label` `aria-label`; None is left out."""
    words = [tag]
    for name, value in attributes.items():
        if value is not None:
            words.append(f'{name.rstrip("_").replace("_", "-")}="{_text(value)}"')
    opened = f"<{' '.join(words)}>"
    return Markup(opened if tag in _VOID else f"{opened}{join(*children)}</{tag}>")


def join(*parts: Content) -> Markup:
    """One after the other."""
    return Markup("".join(_text(part) for part in parts if part is not None))


def _text(part: Content) -> str:
    """Foreign text with nothing that is markup, and nothing a browser would not show."""
    if isinstance(part, Markup):
        return part
    text = "".join(c if c.isprintable() or c in "\n\xa0" else ascii(c)[1:-1] for c in str(part))
    return html.escape(text)
