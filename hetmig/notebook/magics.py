"""The magics: `%%migratable`, and `%ps`, `%mv`, `%checkpoint` as the commands of these names."""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Callable
from typing import Any, NoReturn

from hetmig.client import Nodes, TaskInfo
from hetmig.commands.common import UsageError
from hetmig.commands.tasks import ALIVE, find_task, node_name, node_rows, task_rows
from hetmig.errors import HetmigError
from hetmig.journey import Checkpoint, Hop
from hetmig.notebook.errors import brief
from hetmig.notebook.running import Run, begin
from hetmig.notebook.site import Site
from hetmig.notebook.source import cell_of
from hetmig.rendering import table_html

__all__ = ["Magics", "Table", "load", "unload"]

_LINES = ("hetmig", "ps", "mv", "checkpoint", "wait")
_CELLS = ("migratable",)
_loaded: dict[int, Magics] = {}


def load(shell: Any) -> None:
    """Register the magics."""
    unload(shell)
    magics = _loaded[id(shell)] = Magics(shell)
    # IPython makes `%mv` and the like of the system's commands, and anew after each `%reset`
    aliases = shell.alias_manager
    magics.aliases = [alias for alias in aliases.default_aliases if alias[0] in _LINES]
    aliases.default_aliases = [each for each in aliases.default_aliases if each[0] not in _LINES]
    for kind, names in (("line", _LINES), ("cell", _CELLS)):
        for name in names:
            shell.register_magic_function(magics.function(name), kind, name)


def unload(shell: Any) -> None:
    """Take them away, and close the connection."""
    magics = _loaded.pop(id(shell), None)
    if magics is None:
        return
    magics.site.close()
    for kind, names in (("line", _LINES), ("cell", _CELLS)):
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    shell.alias_manager.default_aliases += magics.aliases
    for name, command in magics.aliases:
        shell.alias_manager.soft_define_alias(name, command)


class _Parser(argparse.ArgumentParser):
    """Says in the notebook what is wrong, and ends nothing."""

    def error(self, message: str) -> NoReturn:
        core: Any = importlib.import_module("IPython.core.error")
        raise core.UsageError(f"{message}\n{self.format_usage().rstrip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _Told


class _Told(Exception):
    """`--help` has printed it."""


class Table(list[list[str]]):
    """Rows of text with their heads; a notebook shows a table."""

    def _repr_html_(self) -> str:
        return table_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        widths = [max(map(len, column)) for column in zip(*self, strict=True)]
        lines = ("   ".join(map(str.ljust, row, widths)).rstrip() for row in self)
        printer.text("\n".join(lines))


class Magics:
    """The magics of one shell."""

    def __init__(self, shell: Any) -> None:
        self.site = Site()
        self.aliases: list[tuple[str, str]] = []
        """Those of IPython which these take the place of."""
        self._shell = shell
        self._runs: dict[str, Run] = {}

    def function(self, name: str) -> Callable[..., Any]:
        """A magic, which shows errors of ours as one line."""
        method, parser = getattr(self, f"_{name}"), getattr(self, f"_{name}_parser")()
        parser.prog = f"%%{name}" if name in _CELLS else f"%{name}"

        def magic(line: str, cell: str | None = None) -> Any:
            try:
                options = parser.parse_args(shlex.split(line))
                return method(options) if cell is None else method(options, cell)
            except _Told:
                return None
            except HetmigError as error:
                if hasattr(error, "_render_traceback_"):
                    raise
                raise brief(error) from None

        magic.__doc__ = parser.format_help()
        return magic

    # -- cells

    def _migratable_parser(self) -> _Parser:
        parser = _Parser(description="Run the cell as a task; its variables come back.")
        parser.add_argument("--on", metavar="NODE", help="where it begins")
        parser.add_argument("--name", help="by which others find the task")
        parser.add_argument(
            "--background",
            "-b",
            action="store_true",
            help="give the task, and go on with the next cell; %%wait brings its variables",
        )
        return parser

    def _migratable(self, options: argparse.Namespace, text: str) -> Any:
        cell = cell_of(self._shell, text)
        nodes = self.site.nodes
        on = None if options.on is None else node_name(nodes, options.on, self.site.keys)
        run = begin(self._shell, nodes, cell, on, options.name)
        if not options.background:
            return run.wait()
        self._runs[run.task.id] = run
        return run.task

    def _wait_parser(self) -> _Parser:
        parser = _Parser(description="Wait for a cell in the background; its variables come back.")
        parser.add_argument("task", nargs="?", help="id or name (default: the last one)")
        return parser

    def _wait(self, options: argparse.Namespace) -> Any:
        known = {run.task.id: run for run in self._runs.values()}
        fitting = [
            run
            for run in known.values()
            if options.task is None or options.task in (run.task.id, run.task.name)
        ]
        if not fitting:
            listed = ", ".join(f"{id} ({run.task.name})" for id, run in known.items()) or "none"
            raise UsageError(f"no such cell is in the background; there is: {listed}")
        run = fitting[-1]
        value = run.wait()
        del self._runs[run.task.id]
        return value

    # -- nodes and tasks

    def _hetmig_parser(self) -> _Parser:
        parser = _Parser(description="Connect to nodes, or start some; show them.")
        parser.add_argument("node", nargs="?", help="URL or name of a node")
        parser.add_argument("--keys", metavar="DIR", help="directory of keys")
        parser.add_argument("--local", metavar="N", type=int, help="start N nodes here")
        parser.add_argument("--close", action="store_true", help="close the connection")
        return parser

    def _hetmig(self, options: argparse.Namespace) -> Any:
        if options.close:
            return self.site.close()
        if options.local is not None:
            self.site.start(max(options.local, 1))
        elif options.node is not None:
            self.site.connect(options.node, options.keys)
        return Table(node_rows(self.site.nodes.nodes()))

    def _ps_parser(self) -> _Parser:
        parser = _Parser(description="What runs where.")
        parser.add_argument("--all", action="store_true", help="those that have ended, too")
        return parser

    def _ps(self, options: argparse.Namespace) -> Table:
        found = self.site.nodes.tasks()
        return Table(task_rows([task for task in found if options.all or task.state in ALIVE]))

    def _mv_parser(self) -> _Parser:
        parser = _Parser(description="Move a task, or the only one, to another node.")
        parser.add_argument("task", nargs="?", help="id or name, or the beginning of one")
        parser.add_argument("to", metavar="NODE", help="where to: name or URL")
        parser.add_argument("--timeout", metavar="SECONDS", type=float, default=10.0)
        return parser

    def _mv(self, options: argparse.Namespace) -> Hop:
        nodes = self.site.nodes
        task = _chosen(nodes, options.task)
        return nodes.move(task.id, node_name(nodes, options.to, self.site.keys), options.timeout)

    def _checkpoint_parser(self) -> _Parser:
        parser = _Parser(description="Keep a copy of a task, to be started again from.")
        parser.add_argument("task", nargs="?", help="id or name (default: the only one)")
        parser.add_argument("--to", metavar="DIR|URL", help="where (default: as its node does)")
        return parser

    def _checkpoint(self, options: argparse.Namespace) -> Checkpoint:
        nodes = self.site.nodes
        chosen = _chosen(nodes, options.task)
        return nodes.task(chosen.id).checkpoint(options.to)


def _chosen(nodes: Nodes, wanted: str | None) -> TaskInfo:
    """The task meant; the only one that runs, if none is named."""
    if wanted is not None:
        return find_task(nodes, wanted)
    running = [task for task in nodes.tasks() if task.state in ALIVE and task.what == "task"]
    if len(running) == 1:
        return running[0]
    listed = ", ".join(f"{task.id} ({task.name})" for task in running) or "none"
    raise UsageError(f"which task? There is: {listed}")
