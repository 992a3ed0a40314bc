"""A report in a real browser: it renders, says nothing in the console, and fits a phone.

The screenshots stay in `$HETMIG_ARTEFACTS`, if that is set; they are for eyes, not compared.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hetmig.report.model import Report
from tests.report.summaries import EVIL, PYTHON, eventful

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")
_FOUND = next(filter(None, map(shutil.which, _NAMES)), None)
TIMEOUT = 240

pytestmark = pytest.mark.skipif(_FOUND is None, reason=f"no browser here: {', '.join(_NAMES)}")

MEASURE = """
<!DOCTYPE html><title>measure</title>
<iframe id="page" style="width:{width}px;height:700px;border:0" srcdoc="{page}"></iframe>
<pre id="found"></pre>
<script>
document.getElementById("page").onload = event => {{
  const inner = event.target.contentDocument, root = inner.documentElement;
  const box = element => element.getBoundingClientRect();
  const bars = [...inner.querySelectorAll(".plot")].map(plot =>
    [...plot.querySelectorAll(".bar")].map(bar => {{
      const b = box(bar), p = box(plot);
      const sides = [b.left - p.left, b.top - p.top, b.right - p.left, b.bottom - p.top];
      return [...sides, p.width, p.height];
    }}));
  document.getElementById("found").textContent = JSON.stringify({{
    width: root.clientWidth, needed: root.scrollWidth, bars: bars,
    tiles: inner.querySelectorAll(".tile").length,
    names: [...inner.querySelectorAll("section.task h2")].map(head => head.innerText),
    lines: [...inner.querySelectorAll("svg path")].map(path => path.getBBox().height),
    ink: getComputedStyle(inner.body).color, ground: getComputedStyle(inner.body).backgroundColor,
  }});
}};
</script>
"""


class Browser:
    """Chromium, driven by its command line."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.console: list[str] = []

    def _run(self, page: Path, *options: str) -> str:
        assert _FOUND is not None
        command = [_FOUND, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        command += ["--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0"]
        command += [f"--user-data-dir={self._directory / 'profile'}", *options, page.as_uri()]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr
        self.console += re.findall(r":CONSOLE.*?\] (.*)", done.stderr)
        return done.stdout

    def dom(self, page: Path, *options: str) -> str:
        return self._run(page, "--virtual-time-budget=5000", *options, "--dump-dom")

    def screenshot(self, page: Path, name: str, width: int, *options: str) -> tuple[int, int]:
        """Takes it; its width and height."""
        kept = Path(os.environ.get("HETMIG_ARTEFACTS") or self._directory)
        kept.mkdir(parents=True, exist_ok=True)
        file = kept / name
        self._run(page, f"--window-size={width},2400", *options, f"--screenshot={file}")
        header = file.read_bytes()[:24]
        assert header.startswith(b"\x89PNG")
        return struct.unpack(">II", header[16:24])


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return Report.of("a", eventful(), {"a": PYTHON}, 131.0).save(tmp_path / "report.html")


def measured(browser: Browser, page: Path, tmp_path: Path, width: int, *options: str) -> Any:
    around = tmp_path / f"around-{width}.html"
    around.write_text(MEASURE.format(width=width, page=html.escape(page.read_text("utf-8"))))
    found = re.findall(r'<pre id="found">(.+?)</pre>', browser.dom(around, *options), re.DOTALL)
    return json.loads(html.unescape(found[0]))


def test_it_renders_and_the_console_stays_empty(browser: Browser, page: Path) -> None:
    shown = browser.dom(page)
    assert shown.count('class="bar') > 30
    assert "<script" not in shown
    assert browser.screenshot(page, "report.png", 1200) == (1200, 2400)
    dark = "--blink-settings=preferredColorScheme=0"
    assert browser.screenshot(page, "report-dark.png", 1200, dark) == (1200, 2400)
    assert browser.console == []


def test_an_error_on_a_page_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    """Also what the page's own policy stops."""
    bad = tmp_path / "bad.html"
    policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
    bad.write_text(f"<!DOCTYPE html>{policy}<script>document.body.x.y</script><img src=x.png>")
    browser.dom(bad)
    assert len(browser.console) == 2
    assert all("violates" in said for said in browser.console)


@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_a_screen(browser: Browser, page: Path, tmp_path: Path, width: int) -> None:
    found = measured(browser, page, tmp_path, width, f"--window-size={max(width, 500)},900")
    assert found["width"] == width
    assert found["needed"] <= width
    assert found["tiles"] == 6
    assert sum("<script>alert(1)</script>" in name for name in found["names"]) == 1
    assert EVIL not in "".join(found["names"])
    assert max(found["lines"]) > 40  # a move to another lane
    for bars in found["bars"]:
        for left, top, right, bottom, across, down in bars:
            assert left >= -0.5
            assert top >= 0
            assert right <= across + 3.5
            assert bottom <= down + 0.5
        for place, one in enumerate(bars):
            for other in bars[:place]:
                beside = one[0] >= other[2] - 3.5 or other[0] >= one[2] - 3.5
                assert beside or one[1] >= other[3] or other[1] >= one[3]
    assert browser.console == []


def test_it_is_dark_where_the_system_is(browser: Browser, page: Path, tmp_path: Path) -> None:
    dark = "--blink-settings=preferredColorScheme=0"
    light = measured(browser, page, tmp_path, 800, "--blink-settings=preferredColorScheme=1")
    night = measured(browser, page, tmp_path, 800, dark)
    assert light["ground"] == "rgb(244, 245, 247)"
    assert night["ground"] == "rgb(17, 21, 26)"
