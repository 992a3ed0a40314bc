"""The page is whole, needs nothing else, and takes no markup from what it tells of."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from hetmig.report.markup import Markup, el, join
from hetmig.report.model import Report
from hetmig.units import percent, span
from tests.report.summaries import EVIL, PYTHON, eventful, hop, summary

_VOID = {"meta", "br"}
_SAFE = {"html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section",
         "h1", "h2", "p", "div", "span", "b", "i", "a", "ol", "li", "dl", "dt", "dd", "small",
         "strong", "code", "time", "figure", "svg", "path", "table", "caption", "thead", "tbody",
         "tr", "th", "td", "details", "summary"}  # fmt: skip


class Reader(HTMLParser):
    """Notes elements and text; every element must be closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page() -> str:
    return Report.of("a", eventful(), {"a": PYTHON}, 131.0).html()


def test_it_needs_nothing_but_itself(page: str) -> None:
    reader = read(page)
    assert {tag for tag, _ in reader.elements} <= _SAFE
    for tag, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        if tag == "a":
            assert str(attributes["href"]).startswith("#")
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|http", style)


def test_names_are_no_markup(page: str) -> None:
    assert "<script" not in page
    assert not any(c in page for c in "\x00\x1b\u202e")
    assert "<script>alert(1)</script>\"'&\\u202e\\x1b[31m\\x00" in read(page).text


def test_what_colours_say_is_said_in_words(page: str) -> None:
    reader = read(page)
    bars = [a for tag, a in reader.elements if tag == "a" and "bar" in str(a.get("class"))]
    assert bars
    for bar in bars:
        assert re.search(r" on .+: from \+.+ for .+; ", str(bar["aria-label"]))
    freezes = [a for _, a in reader.elements if a.get("class") == "freeze"]
    assert freezes
    for freeze in freezes:
        assert freeze["role"] == "img"
        assert re.search("source .+ link .+ destination ", str(freeze["aria-label"]))
    links = {str(a["href"])[1:] for tag, a in reader.elements if tag == "a"}
    assert links <= {str(a["id"]) for _, a in reader.elements if "id" in a}
    ids = [a["id"] for _, a in reader.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert all("scope" in a for tag, a in reader.elements if tag == "th")


def test_of_many_tasks_those_that_moved_have_a_part() -> None:
    told = [summary(f"n{i}", submitted=100.0 + i) for i in range(300)]
    told.append(summary("moved", hops=[hop(2, "a", "b", 110.0, 0.5)], name="the mover"))
    page = Report.of("a", told, {}).html()
    assert "240 tasks more" not in page
    assert "241 tasks more" in page
    assert re.search(r"<h2>(?:(?!</h2>).)*the mover", page)
    links = set(re.findall(r'href="#(task-\d+)"', page))
    assert links <= set(re.findall(r'id="(task-\d+)"', page))


def test_only_markup_is_markup() -> None:
    made = el("p", "<b>", Markup("<i></i>"), None, 3, class_='a"b', aria_label=None)
    assert made == '<p class="a&quot;b">&lt;b&gt;<i></i>3</p>'
    assert join("a", EVIL).count("<") == 0


def test_times_as_people_read_them() -> None:
    shown = [span(t) for t in (0, 0.0123, 1.5, 59.4, 61, 3600, 7380, 200000, 4e8)]
    assert shown == [
        "0 s", "12.3 ms", "1.5 s", "59.4 s", "1 min 1 s", "1 h", "2 h 3 min", "2.31 days",
        "4630 days",
    ]  # fmt: skip
    assert [percent(x) for x in (0.5, 0.012, 1e-9, 0)] == [
        "50\xa0%", "1.2\xa0%", "less than 0.001\xa0%", "0\xa0%",
    ]  # fmt: skip


@pytest.mark.parametrize("span_of_it", [1e-6, 0.003, 1.0, 7.7, 40, 5000, 90000, 1e6, 4e9])
def test_the_axis_has_a_few_round_ticks(span_of_it: float) -> None:
    told = Report.of("a", [summary(submitted=100.0, ended=100.0 + span_of_it)], {})
    ticks = re.findall(r'class="tick[^>]*left:([\d.]+)%', told.html().partition("</figure>")[0])
    assert 2 <= len(ticks) <= 8
    assert [float(t) for t in ticks] == sorted({float(t) for t in ticks})


def test_many_tasks_at_once_have_flat_rows() -> None:
    heights = []
    for many in (3, 30, 150):
        told = [summary(f"n{i}", submitted=100.0 + i / 1000) for i in range(many)]
        page = Report.of("a", told, {}).html()
        heights += re.findall(r'class="plot" style="height:(\d+)px', page)[:1]
    assert [int(height) for height in heights] == [24 + 78 + 12, 24 + 420 + 12, 24 + 1050 + 12]


# Colours ----------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_can_be_read(theme: str) -> None:
    """As WCAG AA demands: 4.5 for text, 3 for what is drawn."""
    style = files("hetmig.report").joinpath("style.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.+?)\}", style, re.DOTALL)[:2]
    colours = dict(re.findall(r"--([\w]+): (#\w+)", light if theme == "light" else dark))
    for text in ("ink", "faint", "accent", "good", "bad"):
        assert contrast(colours[text], colours["card"]) >= 4.5, text
    for ground in ("page",):
        assert contrast(colours["faint"], colours[ground]) >= 4.5
    for name in [f"c{i}" for i in range(8)] + ["source", "destination", "bad"]:
        assert contrast(colours["on"], colours[name]) >= 4.5, name
        assert contrast(colours["card"], colours[name]) >= 3, name
    assert contrast(colours["card"], colours["link"]) >= 3
