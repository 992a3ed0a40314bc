"""Links from pages to files of the repository lead to a page that shows the file."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

_LANGUAGES = {".py": "python", ".toml": "toml", ".sh": "bash", ".yaml": "yaml"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Replace what would be downloads, and add the pages."""
    app.connect("doctree-read", _collect)
    app.connect("html-collect-pages", _pages)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def _collect(app: Sphinx, tree: nodes.document) -> None:
    for link in list(tree.findall(addnodes.download_reference)):
        file = Path(app.srcdir, Path(app.env.docname).parent, link["reftarget"]).resolve()
        if not file.is_file() or not file.is_relative_to(app.srcdir):
            continue  # left to Sphinx, which says that it is missing
        name = file.relative_to(app.srcdir).as_posix()
        files: set[str] = app.env.metadata[app.env.docname].setdefault("files", set())  # type: ignore[assignment]
        files.add(name)
        uri = relative_uri(app.builder.get_target_uri(app.env.docname), _uri(app, name))
        reference = nodes.reference("", "", *link.children, internal=True, refuri=uri)
        link.replace_self(reference)


def _uri(app: Sphinx, name: str) -> str:
    return app.builder.get_target_uri(f"files/{name}")


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    metadata: Any = app.env.metadata
    for name in sorted({name for page in metadata.values() for name in page.get("files", ())}):
        file = Path(app.srcdir, name)
        shown = app.builder.highlighter.highlight_block(  # type: ignore[attr-defined]
            file.read_text("utf-8"), _LANGUAGES.get(file.suffix, "text"), linenos="inline"
        )
        body = f"<h1>{html.escape(name)}</h1>\n{shown}"
        yield f"files/{name}", {"title": name, "body": body}, "page.html"
