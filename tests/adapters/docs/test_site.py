"""The site of the documentation is built without a warning, and needs nothing from elsewhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

import hetmig
import hetmig.aio
import hetmig.errors
import hetmig.node.placement
import hetmig.simulation
import hetmig.testing
from hetmig.cli import build_parser
from tests.interpreters import ROOT

for _package in ("sphinx", "furo", "myst_parser", "sphinx_copybutton"):
    pytest.importorskip(_package, reason='needs pip install "hetmig[docs]"')

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')

MODULES = {
    "hetmig": hetmig,
    "aio": hetmig.aio,
    "dask": importlib.import_module("hetmig.dask"),
    "errors": hetmig.errors,
    "testing": hetmig.testing,
    "simulation": hetmig.simulation,
    "policies": hetmig.node.placement,
}
LOADED = {
    ("img", "src"),
    ("script", "src"),
    ("link", "href"),
    ("source", "srcset"),
    ("iframe", "src"),
}


class Page(HTMLParser):
    """What a page leads to, what it loads, and where in it one can be led."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif tag == "a" and name == "href" and value:
                self.links.append(value)
            elif (tag, name) in LOADED and value:
                self.loaded.append(value)


class Site(NamedTuple):
    """The built site."""

    root: Path
    pages: dict[Path, Page]


def command_of_the_page() -> list[str]:
    """The command of CONTRIBUTING.md, without where it puts the site."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (command,) = re.findall(r"`(sphinx-build [^`]+) build/site`", text)
    return str(command).split()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    root = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        *command_of_the_page()[1:],
        str(root),
        "-d",
        f"{root}.d",
    ]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return Site(root, {file.resolve(): Page(file) for file in root.rglob("*.html")})


def test_links_and_anchors_are_there(site: Site) -> None:
    broken = []
    for file, page in site.pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            found = site.pages.get(target)
            if not target.is_file() or (anchor and found and anchor not in found.anchors):
                broken.append(f"{file.relative_to(site.root)}: {link}")
    assert broken == []
    assert sum(len(page.links) for page in site.pages.values()) > 1000


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    for file, page in site.pages.items():
        outside = [url for url in page.loaded if urlsplit(url).netloc]
        assert outside == [], file
    for style in site.root.rglob("*.css"):
        text = style.read_text("utf-8")
        assert re.findall(r"(?:url\(|@import)\s*['\"]?\s*(?:https?:)?//[^)]*", text) == [], style


def test_every_page_is_in_the_navigation(site: Site) -> None:
    home = site.root / "docs" / "index.html"
    lists = [home, home.parent / "decisions" / "README.html"]
    led = {
        (file.parent / urlsplit(link).path).resolve()
        for file in lists
        for link in site.pages[file].links
    }
    for source in (ROOT / "docs").rglob("*.md"):
        assert site.root / source.relative_to(ROOT).with_suffix(".html") in {*led, *lists}, source


@pytest.mark.parametrize("page", MODULES)
def test_the_reference_has_every_public_name(site: Site, page: str) -> None:
    anchors = site.pages[site.root / "docs" / "reference" / f"{page}.html"].anchors
    module = MODULES[page]
    missing = [
        name
        for name in module.__all__
        if name != "__version__" and not isinstance(getattr(module, name), ModuleType)
        if f"{module.__name__}.{name}" not in anchors
    ]
    assert missing == []


def test_the_reference_has_every_command(site: Site) -> None:
    anchors = site.pages[site.root / "docs" / "reference" / "commands.html"].anchors
    for command in re.findall(r"^    (\w+)  ", build_parser().format_help(), re.MULTILINE):
        assert f"hetmig-{command}" in anchors


def test_the_root_leads_home(site: Site) -> None:
    assert "url=docs/index.html" in (site.root / "index.html").read_text("utf-8")
