"""The site's navigation, from conf.py: the pages themselves stay plain Markdown.

`navigation` maps captions to pages, seen from docs/.  The decisions are listed by themselves, under
their README.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_DECISIONS = "docs/decisions/README"


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the tables of contents to the home page, and to that of the decisions."""
    app.add_config_value("navigation", {}, "env")
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _lead_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    if page == app.config.root_doc:
        for caption, names in app.config.navigation.items():
            source[0] += _contents(caption, names)
    elif page == _DECISIONS:
        names = sorted(path.stem for path in Path(app.srcdir, "docs/decisions").glob("*.md"))
        source[0] += _contents("", [name for name in names if name != "README"])


def _contents(caption: str, names: list[str]) -> str:
    lines = ["", "```{toctree}", ":hidden:", f":caption: {caption}" if caption else "", *names]
    return "\n".join([*lines, "```", ""])


def _lead_home(app: Sphinx, problem: Exception | None) -> None:
    """The home page is docs/index.html, as in the repository; whoever opens the root gets there."""
    if problem is None and app.builder.format == "html":
        home = app.builder.get_target_uri(app.config.root_doc)
        Path(app.outdir, "index.html").write_text(
            f'<!doctype html><meta charset="utf-8"><title>{app.config.html_title}</title>'
            f'<meta http-equiv="refresh" content="0; url={home}"><a href="{home}">{home}</a>\n',
            "utf-8",
        )
