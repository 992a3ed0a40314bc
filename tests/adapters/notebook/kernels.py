"""A real kernel, cell by cell."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.manager import start_new_kernel

TIMEOUT = 60


@dataclass
class Outputs:
    """What a cell has shown."""

    stdout: str = ""
    stderr: str = ""
    result: dict[str, str] = field(default_factory=dict)
    shown: list[dict[str, str]] = field(default_factory=list)
    error: str = ""
    """Its type; `traceback` is what is displayed."""
    traceback: str = ""

    def take(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind == "execute_result":
            self.result = content["data"]
        elif kind in ("display_data", "update_display_data"):
            self.shown.append(content["data"])
        elif kind == "error":
            self.error, self.traceback = content["ename"], "\n".join(content["traceback"])


class Kernel:
    """A notebook's other half."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager, self._client = manager, client

    def run(self, code: str, *, interrupt_at: str = "") -> Outputs:
        """Execute a cell.  It is interrupted as soon as that has been written."""
        asked = self._client.execute(code)
        outputs, until = Outputs(), time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return outputs
            outputs.take(kind, content)
            if interrupt_at and interrupt_at in outputs.stdout:
                interrupt_at = ""
                self.manager.interrupt_kernel()
        raise TimeoutError(f"{code!r} does not end: {outputs}")

    def good(self, code: str) -> Outputs:
        """The same, of a cell that raises nothing."""
        outputs = self.run(code)
        assert not outputs.error, outputs.traceback
        return outputs


@contextmanager
def kernel() -> Iterator[Kernel]:
    """Start a kernel, and end it."""
    manager, client = start_new_kernel(startup_timeout=TIMEOUT)
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
