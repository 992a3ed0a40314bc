"""A reader of a page of the documentation, who does what it says: for the tests of its blocks."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hetmig.node.embedded import LocalNodes
from hetmig.targets.store import place
from tests.blocks import Block, blocks_of
from tests.interpreters import ROOT
from tests.terminals import SECONDS, Terminal

__all__ = ["NODES", "PAGES", "Reader", "run_blocks"]

NODES = ("laptop", "arm-box", "server")
"""The nodes beside which pages without a `console` are run."""
PAGES = {
    page.relative_to(ROOT).as_posix(): page
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "examples/*.md")
    for page in sorted(ROOT.glob(pattern))
    if page.name != "RESULTS.md"  # says what was run, once
}


def run_blocks(name: str, directory: Path, nodes: Callable[[], LocalNodes]) -> None:
    """Do what a page says, from top to bottom; beside these nodes, unless it starts its own."""
    blocks = [block for block in blocks_of(PAGES[name]) if block.is_run]
    has_own = any(block.language == "console" for block in blocks)
    with contextlib.closing(Reader(directory, None if has_own else nodes())) as reader:
        reader.read(name, blocks)


class Reader:
    """Does what a page says, in a directory of its own."""

    def __init__(self, directory: Path, nodes: LocalNodes | None) -> None:
        self._place = directory / "here"
        self._place.mkdir()
        self._homes = directory
        self._nodes = nodes
        self._terminals: dict[str, Terminal] = {}
        self._ports: dict[str, int] = {}
        tools = directory / "tools"
        tools.mkdir()
        for name, what in (("hetmig", " -P -m hetmig"), ("python", "")):
            (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{what} "$@"\n')
            (tools / name).chmod(0o755)

    def read(self, name: str, blocks: list[Block]) -> None:
        """Run all of them."""
        programs: list[str] = [""]
        for block in blocks:
            if block.file:
                self.write(block.file, block.text)
            elif block.language == "python":
                if block.is_alone:
                    programs.append("")
                programs[-1] += "\n".join([block.before, block.text, block.after])
            elif block.language == "sh":
                self.type(f"set -e\n{block.before}\n{block.text}\n{block.after}")
            else:
                self._console(block)
        for number, program in enumerate(programs):
            if program:
                self._program(f"{Path(name).stem}_{number}.py", self._at_home(program))

    def write(self, name: str, text: str) -> None:
        """Put a file there."""
        (self._place / name).write_text(self._at_home(text), "utf-8")

    def type(self, command: str, shown: Sequence[str] = (), machine: str = "") -> None:
        """Type a command into a terminal, and wait for what is shown to be printed."""
        self._terminal(machine).run(self._at_home(command), [self._at_home(x) for x in shown])

    def close(self) -> None:
        """End what still runs."""
        for terminal in self._terminals.values():
            terminal.close()

    def _program(self, name: str, text: str) -> None:
        file = self._place / name
        file.write_text(text, "utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", name],
            cwd=self._place,
            env=self._environment(""),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _console(self, block: Block) -> None:
        commands = re.findall(
            r"^([\w-]*)\$ +((?:.*\\\n)*.*)\n((?:(?![\w-]*\$ ).*\n?)*)", block.text, re.MULTILINE
        )
        assert commands, f"no command in line {block.line}"
        if block.before:
            self.type(block.before)
        for machine, command, shown in commands:
            lines = [line for line in shown.splitlines() if line.strip() not in ("", "...")]
            lines = [line for line in lines if not line.lstrip().startswith("# ")]
            if re.match(r"(\S+/)?hetmig node\b", command):
                listen = "" if "--listen" in command else " --listen tcp://127.0.0.1:0"
                command = f"{command}{listen} &"
                lines = lines or ["listens on"]
            self.type(command, lines, machine)
        if block.after:
            self.type(block.after)

    def _terminal(self, machine: str) -> Terminal:
        if machine not in self._terminals:
            self._terminals[machine] = Terminal(self._place, self._environment(machine))
        return self._terminals[machine]

    def _environment(self, machine: str) -> dict[str, str]:
        home = self._homes / f"home-{machine}"
        if not home.exists():
            home.mkdir()
            if self._nodes is not None:
                (home / ".config" / "hetmig").mkdir(parents=True)
                (home / ".config" / "hetmig" / "keys").symlink_to(self._nodes.keys)
        environment = {
            **os.environ,
            "HOME": str(home),
            "HETMIG_TARGETS": str(place("")),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_STATE_HOME": str(home / "state"),
            "PATH": f"{self._homes / 'tools'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        environment["HETMIG_NODE"] = self._endpoint("127.0.0.1", "7717")  # which is the default
        return environment

    def _at_home(self, text: str) -> str:
        """With addresses that are free here, in place of those of other machines."""
        return re.sub(
            r"tcp://([\w.-]+):(77\d\d)", lambda found: self._endpoint(*found.groups()), text
        )

    def _endpoint(self, host: str, port: str) -> str:
        if self._nodes is not None:
            names = {"127.0.0.1": "laptop"}
            return self._nodes[NODES.index(names.get(host, host))].endpoint
        if port not in self._ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._ports[port] = free.getsockname()[1]
        return f"tcp://127.0.0.1:{self._ports[port]}"
