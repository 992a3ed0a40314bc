"""The code on a page of the documentation, and how it is run: from top to bottom, as a reader does.

What a fenced block is, its language says:

- `python`: part of one program, which all such blocks of the page make together.  It runs beside
  three nodes, `laptop` (at tcp://127.0.0.1:7717), `arm-box` and `server`.
- `sh`: commands, in a terminal where `hetmig` talks to `laptop`.
- `console`: commands behind prompts (`$`, or `NAME$` for several machines, which share a directory
  and nothing else); the lines below a command are what it prints, `...` stands for anything.
  Who says so has to wait for it; `hetmig node` runs on.
  A page with such blocks starts its nodes itself.
- `text`, or none: a drawing, or what something prints.

If the first line of `python` or `sh` is `# NAME.py` or `# NAME.sh`, the block is that file.

What the reader need not see stands in comments around a block: `<!-- before` and `<!-- after`,
each with code of its language.  `<!-- a process of its own -->` begins another program.
Behind a block that is not run stands `*Not run by the tests: REASON.*`, or `*Not run by the tests
of this page: ...*` if others run it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["RUN", "Block", "blocks_of"]

RUN = ("python", "sh", "console")
"""The languages of what is run here."""

_BLOCK = re.compile(
    r"(?P<own><!-- a process of its own -->\n\s*)?"
    r"(?:^<!-- before\n(?P<before>.*?)^-->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=indent)```$"
    r"(?:\n\s*<!-- after\n(?P<after>.*?)^-->)?"
    r"(?:\n\s*\*Not run by the tests(?: of this page)?: (?P<why>[^*]+)\.\*)?",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """One fenced block."""

    language: str
    text: str
    line: int
    """Of its first line, in the page."""
    before: str
    after: str
    is_alone: bool
    """Whether it begins another program."""
    why_not: str
    """Why it is not run."""

    @property
    def is_run(self) -> bool:
        """Whether it is a program, and nothing is said against it."""
        return self.language in RUN and not self.why_not

    @property
    def file(self) -> str:
        """The name of the file that it is, if it is one."""
        found = re.match(r"# ([\w-]+\.(?:py|sh))\n", self.text)
        return found[1] if found else ""


def blocks_of(page: Path) -> Iterator[Block]:
    """All of its blocks, in order."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(
            found["language"],
            textwrap.dedent(found["text"]),
            text.count("\n", 0, found.start("text")) + 1,
            found["before"] or "",
            found["after"] or "",
            bool(found["own"]),
            found["why"] or "",
        )
