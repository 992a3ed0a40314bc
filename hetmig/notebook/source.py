"""The text of a cell, as code whose lines are numbered as the notebook shows them."""

from __future__ import annotations
import __future__

import ast
import functools
import io
import linecache
import re
import sys
import tokenize
import traceback
from types import FrameType, FunctionType
from typing import Any

from hetmig.errors import HetmigError
from hetmig.notebook.cells import PREFIX, Cell
from hetmig.notebook.errors import brief, shown_as_text

__all__ = ["cell_of"]

_MOST_TEXT = 1 << 20
_BLANK = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT)
_FUTURES = functools.reduce(
    int.__or__,
    (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names),
)


def cell_of(shell: Any, typed: str) -> Cell:
    """The cell that begins with a line of ours.

    Raises HetmigError for what is no Python, or can be executed in the notebook's process only.
    """
    above = len(typed) - len(typed.lstrip("\n"))
    text = "\n" * (above + 1) + str(shell.transform_cell(typed))
    number = _number(shell)
    tree = _parsed(shell, text, number)
    if any(isinstance(node, ast.Name) and node.id == "get_ipython" for node in ast.walk(tree)):
        raise HetmigError(
            "a task knows nothing of IPython: put what begins with % or !, and get_ipython(), into "
            "a cell of its own"
        )
    shows = False
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        shows = shell.ast_node_interactivity != "none" and not _ends_quietly(text)
    if shows:
        text = _assigned(text, tree.body[-1])
    file = str(shell.compile.cache(text, number, raw_code=text))
    code = compile(text, file, "exec", shell.compile.flags & _FUTURES, dont_inherit=True)
    body = FunctionType(code, shell.user_ns)
    return Cell(f"In[{number}]", body, {file: text, **_texts(shell)}, shows=shows)


def _texts(shell: Any) -> dict[str, str]:
    """Those of the notebook's cells, the latest ones."""
    found: dict[str, str] = {}
    room = _MOST_TEXT
    for file, entry in reversed(list(linecache.cache.items())):
        if shell.compile.format_code_name(file) is not None and len(entry) > 1:
            room -= entry[0]
            if room < 0:
                break
            found[file] = "".join(entry[2])
    return found


def _number(shell: Any) -> int:
    """Of the cell that is executed now: its own code has called us, from a file of its own."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        label = shell.compile.format_code_name(frame.f_code.co_filename)
        if label is not None and (number := re.search(r"\d+", label[1])):
            return int(number[0])
        frame = frame.f_back
    return int(shell.execution_count)


def _parsed(shell: Any, text: str, number: int) -> ast.Module:
    file = str(shell.compile.cache(text, number, raw_code=text))
    try:
        compile(text, file, "exec", shell.compile.flags & _FUTURES, dont_inherit=True)
        return ast.parse(text, file)
    except SyntaxError as error:
        if "'await' outside" in str(error):
            error.msg += ": put it into an async function, and asyncio.run that"
        told = "".join(traceback.format_exception_only(error))
        raise brief(HetmigError("the cell is no Python"), shown_as_text(shell, told)) from None


def _ends_quietly(text: str) -> bool:
    """Whether it ends in a semicolon: nothing is to be shown."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    words = [token.string for token in tokens if token.type not in _BLANK]
    return bool(words) and words[-1] == ";"


def _assigned(text: str, expression: ast.stmt) -> str:
    """The text, with the value of the expression assigned: the lines stay where they are."""
    lines = text.splitlines(keepends=True)
    line = lines[expression.lineno - 1].encode()
    start = expression.col_offset
    lines[expression.lineno - 1] = (line[:start] + PREFIX.encode() + line[start:]).decode()
    return "".join(lines)
