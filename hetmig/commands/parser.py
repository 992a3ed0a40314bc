"""The parser of the command line: what it says of a mistake is short, and tells where to look."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["Parser"]

_LONGEST_USAGE = 6


class Parser(argparse.ArgumentParser):
    """Names the option that was probably meant, and the help of the very command."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        usage = self.format_usage()
        if usage.count("\n") > _LONGEST_USAGE:
            usage = f"usage: {self.prog} [OPTION]...\n"
        self.exit(2, f"{usage}{self.prog}: {message}; `{self.prog} --help` has all there is\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, but what is unknown to a command is told by that command.

        The base class leaves it to the parser of all commands, whose help does not have it.
        """
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def _meant(self, unknown: Sequence[str]) -> str:
        options = re.findall(r"--[a-z][a-z-]*", self.format_usage())
        words = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        near = [found for word in words for found in difflib.get_close_matches(word, options, 1)]
        return f"; did you mean {' '.join(near)}?" if near else ""
