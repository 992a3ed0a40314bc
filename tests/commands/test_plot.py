"""A journey's picture is well-formed and true to scale."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from hetmig.commands.plot import Move, Picture, draw, tick_step

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = Picture(
    title="a <job> & more",
    lanes=[("one", "CPython 3.11, x86_64"), ("two", "CPython 3.11, s390x")],
    first="one",
    moves=[Move("one", "two", 2.0, 1.0, "3 frames"), Move("two", "one", 5.0, 0.5, "1 frame")],
    end=10.0,
)


def bars(picture: Picture) -> list[tuple[float, float, float]]:
    """(x, width, y) of each bar."""
    root = ElementTree.fromstring(draw(picture))
    found = [node for node in root.iter(f"{SVG}rect") if "rx" in node.attrib]
    return [(float(b.get("x", 0)), float(b.get("width", 0)), float(b.get("y", 0))) for b in found]


def test_a_stay_is_a_bar_and_a_freeze_is_a_gap() -> None:
    (x1, w1, y1), (x2, w2, y2), (x3, w3, y3) = bars(PICTURE)
    second = w1 / 2
    assert y1 == y3 != y2
    assert x2 - (x1 + w1) == pytest.approx(1.0 * second, abs=0.2)
    assert w2 == pytest.approx(2.0 * second, abs=0.2)
    assert x3 - (x2 + w2) == pytest.approx(0.5 * second, abs=0.2)
    assert w3 == pytest.approx(4.5 * second, abs=0.2)


def test_the_legend_says_what_each_move_cost() -> None:
    text = " ".join(ElementTree.fromstring(draw(PICTURE)).itertext())
    assert "a <job> & more" in text
    assert "one → two" in text
    assert "frozen 1.00 s, 3 frames" in text
    assert "CPython 3.11, s390x" in text


def test_a_run_to_compare_with_has_its_own_lane() -> None:
    with_comparison = replace(PICTURE, comparison=("stayed", 20.0))
    assert len(bars(with_comparison)) == 4
    assert "stayed" in draw(with_comparison)
    widths = [width for _, width, _ in bars(with_comparison)]
    assert max(widths) == pytest.approx(
        10 * widths[1], rel=0.01
    )  # 20 s beside the first stay's 2 s


def test_no_move_at_all() -> None:
    assert len(bars(replace(PICTURE, moves=[]))) == 1


@pytest.mark.parametrize(("span", "step"), [(0.004, 0.0005), (9.0, 1.0), (13.2, 2.0), (95.0, 10.0)])
def test_ticks_are_round_and_few(span: float, step: float) -> None:
    assert tick_step(span) == pytest.approx(step)
