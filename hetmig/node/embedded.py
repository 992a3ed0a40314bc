"""Nodes on this machine for a while, with throw-away keys: for demos, tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import hetmig
from hetmig.errors import HetmigError
from hetmig.node.keys import Keyring

__all__ = ["LocalNode", "LocalNodes"]

START_SECONDS = 120.0
"""A foreign CPU is emulated: its Python takes some seconds to start."""
_BOOT = (
    # Ctrl-C is for the parent, which ends us; also as long as we import.
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "import sys, json; settings = json.loads(sys.stdin.buffer.readline()); "
    "sys.path[:0] = settings.pop('path'); "
    "from hetmig.node.serve import embedded_main; embedded_main(settings)"
)


class LocalNode:
    """One node process, started with its parent's end of a pipe as its life line."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        path: list[str],
        keys: Path,
        keep_parcels: str | None = None,
        checkpoints: str = "",
        state: str | None = None,
        *,
        caps: Mapping[str, int] | None = None,
        patience: float | None = None,
        location: str = "home",
        sturdy: bool = False,
        inherit: Sequence[int] = (),
        within: Sequence[str] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """`sturdy`: SIGTERM is for the parent only; `inherit`: descriptors it holds open;
        `within`: the beginning of a command that executes the rest of it elsewhere;
        `more`: further items of `hetmig.node.serve.Settings`.
        """
        self.name = name
        self.place: dict[str, Any] = {}
        self._command = [*within, *command]
        self._inherit = inherit
        self._settings = {
            "name": name,
            "listen": "tcp://127.0.0.1:0",
            "keys": str(keys),
            "python": list(command),
            "path": path,
            "keep_parcels": keep_parcels,
            "state": state,
            "checkpoints": checkpoints,
            "sturdy": sturdy,
            "caps": dict(caps or {}),
            "patience": patience,
            "location": location,
            **(more or {}),
        }
        self.start()

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start its process, again if it has ended: then at the same endpoint.

        `environment` is added to that of this process.
        """
        listen = self.place.get("endpoint", self._settings["listen"])
        self._process = subprocess.Popen(
            [*self._command, "-P", "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            pass_fds=self._inherit,
        )
        self._write({**self._settings, "listen": listen})

    @property
    def endpoint(self) -> str:
        """Where it listens, `tcp://127.0.0.1:PORT`."""
        return str(self.place["endpoint"])

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait until it listens and has a runner warm.  Raises HetmigError if it does not."""
        self.place = self._read()["place"]

    def introduce(self, places: list[dict[str, Any]]) -> None:
        """Tell it where the others are."""
        self._write(places)
        self._read()

    def kill(self) -> None:
        """End it the hard way, as a crash of its machine would; its runners notice and end too."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until its process has ended; the exit code, -N for the signal N."""
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return code

    def release(self) -> None:
        """Close its life line: it ends, in its own time."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def stop(self) -> None:
        """End it by closing its life line; by force if that is not enough."""
        assert self._process.stdout is not None
        self.release()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.stdout.close()

    def _write(self, value: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer that is missing says why

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            code = self._process.wait()
            raise HetmigError(f"the node {self.name} did not start (exit code {code}); see above")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise HetmigError(f"the node {self.name} did not start: {answer['error']}")
        return answer


class LocalNodes:
    """A context manager: `n` nodes on loopback that know each other, named a, b, c ...

    `python` gives the interpreter of each node: None for this one, or the path of another Python,
    which may be a wrapper that emulates a foreign CPU.  It needs pyzmq, cloudpickle, dill and
    bytecode; hetmig itself is put on its path.  `path` is prepended to each node's `sys.path`.
    `caps` are those of each node, by the names that `hetmig.node.caps.Caps` has for them.
    `keep_parcels` is a directory for a copy of each parcel that departs, to be looked at.
    `checkpoints` is where they keep their checkpoints; if not given, a directory of theirs which
    goes with them.  `state` is a directory for the nodes' journals: then a node that was killed
    goes on after `nodes[i].start()`.  `patience` is for how long (s) one may be silent before the
    others give it up.  `location` is how they look for tasks that have moved.
    `policy` is how they move tasks (`hetmig node --policy`); `each` has further
    settings of each node, by the names that `hetmig.node.serve.Settings` has for them:
    `each=[{"labels": {"zone": "secure"}}, {"slots": 1}]`.
    `keys` is the key directory with which to connect: `hetmig.connect(nodes[0], keys=nodes.keys)`.
    """

    def __init__(
        self,
        n: int = 2,
        *,
        python: Sequence[str | None] = (),
        names: Sequence[str] = (),
        path: Sequence[str] = (),
        keep_parcels: str | os.PathLike[str] | None = None,
        checkpoints: str | os.PathLike[str] | None = None,
        state: str | os.PathLike[str] | None = None,
        caps: Mapping[str, int] | None = None,
        patience: float | None = None,
        location: str = "home",
        policy: str = "none",
        each: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._location = location
        each = [*each, *[{}] * n][: max(n, len(each))]
        self._each = [{"policy": policy, **more} for more in each]
        self._checkpoints = checkpoints
        self._state = None if state is None else os.path.abspath(state)
        self._keep_parcels = None if keep_parcels is None else os.path.abspath(keep_parcels)
        self._caps = caps
        self._patience = patience
        self._pythons = [*python, *[None] * n][: max(n, len(python))]
        self._names = [*names, *"abcdefghijklmnopqrstuvwxyz"[len(names) :]]
        self._path = list(path)
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self.nodes: list[LocalNode] = []

    @property
    def keys(self) -> Path:
        """The throw-away key directory that all these nodes share."""
        assert self._directory is not None, "only within the with block"
        return Path(self._directory.name, "keys")

    @property
    def endpoints(self) -> list[str]:
        """Where each node listens."""
        return [node.endpoint for node in self.nodes]

    def __getitem__(self, index: int) -> LocalNode:
        return self.nodes[index]

    def __len__(self) -> int:
        return len(self.nodes)

    def __enter__(self) -> LocalNodes:
        self._directory = tempfile.TemporaryDirectory(prefix="hetmig-")
        try:
            Keyring.create(self.keys)
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all nodes and remove their keys."""
        for node in self.nodes:
            node.release()
        for node in self.nodes:
            node.stop()
        if self._directory is not None:
            self._directory.cleanup()

    def _start(self) -> None:
        # A link to the package alone: the host's other packages are not for a foreign Python.
        assert self._directory is not None
        only_us = Path(self._directory.name, "path")
        only_us.mkdir()
        (only_us / "hetmig").symlink_to(Path(hetmig.__file__).parent, target_is_directory=True)
        path = [*self._path, str(only_us)]
        checkpoints = os.fspath(self._checkpoints or Path(self._directory.name, "checkpoints"))
        chosen = zip(self._names, self._pythons, self._each, strict=False)
        for name, python, more in chosen:
            command = [python or sys.executable]
            state = None if self._state is None else os.path.join(self._state, name)
            node = LocalNode(
                name,
                command,
                path,
                self.keys,
                self._keep_parcels,
                checkpoints,
                state,
                caps=self._caps,
                patience=self._patience,
                location=self._location,
                more=more,
            )
            self.nodes.append(node)
        for node in self.nodes:
            node.wait_until_ready()
        places = [node.place for node in self.nodes]
        for node in self.nodes:
            node.introduce(places)
