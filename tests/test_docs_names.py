"""What the pages name in passing is there: commands with their options, public names, files."""

from __future__ import annotations

import argparse
import functools
import importlib
import re
from pathlib import Path

import pytest

import hetmig
from hetmig.cli import build_parser
from hetmig.errors import HetmigError
from tests.interpreters import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"])


def spans(page: Path) -> list[str]:
    """What stands between back-quotes, but for whole blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", text)]


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = parser._subparsers._group_actions if parser._subparsers else []
    return {name: child for action in actions for name, child in dict(action.choices or {}).items()}


@functools.cache
def all_commands() -> dict[str, argparse.ArgumentParser]:
    return commands(build_parser())


def parser_of(words: list[str]) -> argparse.ArgumentParser:
    """That of `hetmig WORDS`, of the innermost command.  Raises KeyError."""
    parser = all_commands()[words[0]]
    return commands(parser).get(words[1], parser) if len(words) > 1 else parser


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options(page: Path) -> None:
    for span in spans(page):
        words = span.split()
        if words[0] == "hetmig" and words[1:] and words[1].islower():
            text = parser_of(words[1:]).format_help()
            for option in re.findall(r"(?<!\S)--[a-z][\w-]*", span):
                assert option in text, span


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names(page: Path) -> None:
    for span in spans(page):
        for name in re.findall(r"(?<![\w/])hetmig((?:\.[A-Za-z_]\w*)+)", span):
            found, path = hetmig, "hetmig"
            for part in name[1:].split("."):
                path = f"{path}.{part}"
                try:
                    found = getattr(found, part, None) or importlib.import_module(path)
                except HetmigError:
                    break  # an extra is not installed here


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files(page: Path) -> None:
    for span in spans(page):
        if re.fullmatch(r"(tests|hetmig|docs|benchmarks|examples|\.ci)/[\w./-]+", span):
            assert (ROOT / span).exists(), span
