"""How the documentation site is built: `sphinx-build -W -c docs . build/site`.

The source is the whole repository, so that the links between pages, and from them to SECURITY.md,
to tests and to modules, are the very ones that GitHub follows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import hetmig

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "hetmig"
author = "the hetmig contributors"
release = version = hetmig.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "command_help",
    "docstrings",
    "navigation",
    "source_files",
]
root_doc = "docs/index"
include_patterns = ["docs/**", "benchmarks/*.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
exclude_patterns = [".*", "build", "docs/_*", "docs/conf.py"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # benchmarks/RESULTS.md goes from its title to ###
highlight_language = "text"
copybutton_prompt_text = r"[\w-]*\$ +"
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
smartquotes = False  # what an error says is written as it says it
default_role = "code"  # docstrings have their names in single back-quotes

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_mock_imports = ["dask", "distributed"]  # the site is built without the adapters' packages

html_theme = "furo"
html_title = f"hetmig {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}

navigation = {
    "Begin": ["tutorial"],
    "Recipes": [
        "recipes/spot-instance",
        "recipes/slurm",
        "recipes/kubernetes",
        "recipes/to-the-data",
        "recipes/mobile-agent",
        "notebooks",
        "dask",
        "deploy/README",
    ],
    "Using it": [
        "command-line",
        "checkpoints",
        "drain",
        "files",
        "messages",
        "objects",
        "sharing",
        "divide",
        "placement",
        "asyncio",
        "asyncio-client",
        "executors",
        "progress",
        "observing",
        "report",
        "homes",
        "testing",
    ],
    "What moves": ["limits", "refusals", "shapes", "data", "portability"],
    "Reference": [
        "reference/hetmig",
        "reference/aio",
        "reference/dask",
        "reference/errors",
        "reference/testing",
        "reference/simulation",
        "reference/policies",
        "reference/commands",
    ],
    "Design": ["how-it-works", "handoff", "decisions/README", "concepts", "new-cpython"],
    "Project": [
        "/SECURITY",
        "/CONTRIBUTING",
        "/CHANGELOG",
        "/benchmarks/README",
        "/benchmarks/RESULTS",
    ],
}
