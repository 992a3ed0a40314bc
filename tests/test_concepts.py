"""The table of concepts names tests that exist, and has the whole list of the survey."""

from __future__ import annotations

import re

import pytest

from tests.interpreters import ROOT

PAGE = (ROOT / "docs" / "concepts.md").read_text("utf-8")
LINKS = re.findall(r"\[`(\w+)`\]\(([^)\s]+)\)", PAGE)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]


@pytest.mark.parametrize(("name", "link"), LINKS, ids=[name for name, _ in LINKS])
def test_a_named_test_exists(name: str, link: str) -> None:
    file = (ROOT / "docs" / link).resolve()
    assert file.is_relative_to(ROOT / "tests")
    assert re.search(rf"^(async )?def {name}\(", file.read_text("utf-8"), re.MULTILINE), link


def test_a_row_shows_a_test_or_says_that_there_is_nothing() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        shown = cells[-1]
        if shown == "shown by":
            continue
        assert re.search(r"\[`test_\w+`\]\(", shown) or "not yet" in row or "not meant" in row, row


@pytest.mark.parametrize(
    "word",
    [
        "rsh", "Condor", "Sprite", "V:", "Charlotte", "MOSIX", "Amoeba", "Accent", "freezing",
        "address space", "forwarding", "I/O redirection", "name spaces", "shared memory",
        "residual dependency", "load balancing", "fault tolerance", "mobile computing", "security",
        "pre-copy", "copy on reference", "eviction", "home node", "processor pool",
        "passive object", "inactive", "interpreted", "native",
    ],
)  # fmt: skip
def test_the_survey_is_covered(word: str) -> None:
    assert any(word in row for row in ROWS), word
