"""What a client has heard of a task: its record and what it wrote, for both kinds of client."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from typing import Any

from hetmig.journey import Checkpoint
from hetmig.logs import deliver

__all__ = ["Heard", "Watched", "progress_of"]

_KEEP_BYTES = 1 << 20


class Heard:
    """Tells callbacks of it.  To be used in one thread, that of the callbacks."""

    def __init__(self, echoes: Callable[[], bool]) -> None:
        """`echoes` says whether to print here what a task writes that no callback is told."""
        self.summary: dict[str, Any] = {
            "state": "running",
            "progress": None,
            "hops": [],
            "moves": 0,
        }
        self.output_callbacks: list[Callable[[str, str], object]] = []
        self.progress_callbacks: list[Callable[[float, float | None, str], object]] = []
        self.checkpoint_callbacks: list[Callable[[Checkpoint | None, str], object]] = []
        self._echoes = echoes
        self._decoders = {
            stream: codecs.getincrementaldecoder("utf-8")("replace")
            for stream in ("stdout", "stderr")
        }
        self.written: list[tuple[str, str]] = []
        """The stream and the text, the last megabyte of it."""
        self._written_size = 0

    @property
    def state(self) -> str:
        """As `TaskInfo.state` says it."""
        return str(self.summary["state"])

    def add_output_callback(self, callback: Callable[[str, str], object]) -> None:
        """Tell it what was written before, as far as that was kept, and from now on."""
        self.output_callbacks.append(callback)
        for stream, text in self.written:
            callback(stream, text)

    def output(self, stream: str, data: bytes) -> None:
        """The task has written something, or logged: then these are records."""
        if stream == "log":
            deliver(data)
            return
        text = self._decoders[stream].decode(data)
        self.written.append((stream, text))
        self._written_size += len(text)
        while self._written_size > _KEEP_BYTES:
            self._written_size -= len(self.written.pop(0)[1])
        for callback in self.output_callbacks:
            callback(stream, text)
        if not self.output_callbacks and self._echoes():
            print(text, end="", file=getattr(sys, stream), flush=True)

    def changed(self, summary: dict[str, Any]) -> None:
        """Its record is another one now."""
        before, self.summary = self.summary, summary
        progress = progress_of(summary)
        if progress is not None and progress != progress_of(before):
            for callback in self.progress_callbacks:
                callback(*progress)
        for item in ("checkpoint", "checkpoint_failed"):
            if summary[item] and summary[item] != before.get(item):
                self._kept(summary[item])

    def _kept(self, what: dict[str, Any] | str) -> None:
        for callback in self.checkpoint_callbacks:
            if isinstance(what, str):
                callback(None, what)
            else:
                callback(Checkpoint.from_json(what), "")


def progress_of(summary: dict[str, Any]) -> tuple[float, float | None, str] | None:
    """What the task has said last of how far it is, if anything."""
    progress = summary["progress"]
    return None if progress is None else (progress[0], progress[1], progress[2])


class Watched:
    """What a task of either kind of client tells without its node being asked."""

    _heard: Heard

    def progress(self) -> tuple[float, float | None, str] | None:
        """The last (done, total, note) it reported with `hetmig.progress`, if any."""
        return progress_of(self._heard.summary)

    def add_progress_callback(self, callback: Callable[[float, float | None, str], object]) -> None:
        """Call `callback(done, total, note)` whenever the task has reported progress."""
        self._heard.progress_callbacks.append(callback)
