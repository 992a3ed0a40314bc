"""The directive `command-help`: what `hetmig COMMAND --help` prints, from the parsers."""

from __future__ import annotations

import argparse
from typing import Any
from unittest import mock

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from hetmig.cli import build_parser

_COLUMNS = "92"


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class CommandHelp(SphinxDirective):
    """One section for each command, and for each command of it."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        with mock.patch.dict("os.environ", COLUMNS=_COLUMNS, NO_COLOR="1"):
            parser = build_parser()
            return [_help(parser), *(_section(child) for child in _commands(parser))]


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    actions = parser._subparsers._group_actions if parser._subparsers else []
    return [child for action in actions for child in dict(action.choices or {}).values()]


def _help(parser: argparse.ArgumentParser) -> nodes.Node:
    text = parser.format_help()
    return nodes.literal_block(text, text, language="text")


def _section(parser: argparse.ArgumentParser) -> nodes.Node:
    section = nodes.section(ids=[nodes.make_id(parser.prog)], names=[parser.prog])
    section += nodes.title(text=parser.prog)
    section += _help(parser)
    section += [_section(child) for child in _commands(parser)]
    return section
