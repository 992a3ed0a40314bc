"""What a client hands in, described and frozen: calls of functions, scripts, checkpoints.

Both clients use it, the one for programs with threads and the one on asyncio.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.errors import NotMigratable
from hetmig.node.checkpoint_keys import finder
from hetmig.state.checkpoint import KEEP, Loaded, digest_of, load, resumed
from hetmig.state.image import Image, freeze_call, freeze_for_any
from hetmig.state.manifest import make_manifest
from hetmig.state.shipping import by_value
from hetmig.state.stores import is_url

if TYPE_CHECKING:
    from hetmig.connection import Connection
    from hetmig.node.keys import Keyring
    from hetmig.node.protocol import Buffer

__all__ = [
    "Call",
    "Submission",
    "describe_call",
    "describe_script",
    "frozen_for",
    "home_module",
    "of_checkpoint",
    "of_script",
    "place_of",
    "shipped_module",
]


@dataclass(frozen=True)
class Submission:
    """Something frozen that a node can take in."""

    manifest: dict[str, Any]
    frames: Sequence[Buffer]
    at: str | None = None
    """The node where it is to begin, if that is not the one that is asked."""

    @property
    def about(self) -> dict[str, Any]:
        """The record of the task that it is to become."""
        about: dict[str, Any] = self.manifest["task"]
        return about


class Call:
    """A call that is to become a task."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        described: Callable[..., Any] | None = None,
    ) -> None:
        """`settings` are those of `hetmig.options`; `described` is the function whose name and
        marks the task has, if not those of `function`.
        """
        self.function = function
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.shown = function if described is None else described
        self.about = {**describe_call(self.shown), **(settings or {})}
        self.at: str | None = self.about.pop("at", None)
        """As for a submission."""

    def frozen(self, module: str | None, *, foreign: bool) -> Submission:
        """As it can be handed in, to a node that is of another version of Python or not.

        What belongs to `module` travels by value.  Raises NotMigratable, naming the argument.
        """
        freeze = functools.partial(freeze_call, self.function, self.args, self.kwargs)
        with by_value(module):
            # with needs it may begin at a node of whose Python nothing is known
            anywhere = bool(self.about.get("needs"))
            frozen = freeze_for_any(freeze) if anywhere else frozen_for(self.at, freeze, foreign)
        return Submission(frozen.manifest(self.about), frozen.frames, self.at)


def frozen_for(at: str | None, freeze: Callable[..., Image], foreign: bool) -> Image:
    """Frozen for the node `at`, of whose Python nothing is known here."""
    if at is not None and not foreign:
        with contextlib.suppress(NotMigratable):
            return freeze(portable=True)
    return freeze(portable=foreign)


async def shipped_module(connection: Connection, function: Callable[..., Any]) -> str | None:
    """The function's top-level module, if it must travel by value: the node does not have it."""
    module = home_module(function)
    if module is None or not await connection.missing(module):
        return None
    return module


def of_script(
    file: str | os.PathLike[str],
    argv: Sequence[str],
    settings: Mapping[str, Any],
    *,
    source: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: float = 30.0,
    keep: int = KEEP,
    stdin: bool = False,
) -> Submission:
    """A script, with settings of `hetmig.options`.  Raises OSError."""
    path = os.fspath(file)
    text = Path(path).read_text(encoding="utf-8") if source is None else source
    about = {**describe_script(path, argv), "stdin": stdin, **settings}
    at = about.pop("at", None)
    if checkpoint is not None:
        kept = {"to": place_of(checkpoint), "every": float(every), "keep": keep}
        about["checkpoint"] = {**kept, "of": digest_of(text, argv)}
    manifest = make_manifest("script", [], 1, about, portable=True)
    return Submission(manifest, [text.encode()], at)


def of_checkpoint(
    source: str | os.PathLike[str] | Loaded,
    series: str | None,
    secrets: Sequence[str | os.PathLike[str]],
    keyring: Keyring,
) -> Submission:
    """What goes on from a checkpoint; see `hetmig.Nodes.resume`, for what is raised, too."""
    if not isinstance(source, Loaded):
        source = load(source, finder(keyring.directory, secrets), series)
    return Submission(*resumed(source))


def place_of(place: str | os.PathLike[str]) -> str:
    """A path that means the same in another process; a URL as it is."""
    text = os.fspath(place)
    return text if is_url(text) else os.path.abspath(text)


def describe_call(function: Callable[..., Any]) -> dict[str, Any]:
    """A new task's record, for a call of this function."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    about = {"id": secrets.token_hex(6), "name": name, "argv": None, "file": ""}
    mark = getattr(getattr(function, "func", function), "__hetmig__", None)
    if isinstance(mark, dict) and mark.get("every") is not None:
        about["checkpoint"] = {"every": float(mark["every"])}
    if isinstance(mark, dict) and mark.get("needs"):
        about["needs"] = mark["needs"]
    if isinstance(mark, dict) and mark.get("files") is not None:
        about["files"] = mark["files"]
    return about


def describe_script(file: str, argv: Sequence[str]) -> dict[str, Any]:
    """A new task's record, for a script, and where it is to be run if such a place is there."""
    return {
        "id": secrets.token_hex(6),
        "name": Path(file).name,
        "argv": [file, *argv],
        "file": os.path.abspath(file),
        "directory": os.getcwd(),
    }


def home_module(function: Callable[..., Any]) -> str | None:
    """The top-level module a function comes from; None for one that travels by value anyway."""
    while hasattr(function, "func") and not isinstance(function, type):  # functools.partial
        function = function.func
    module = getattr(function, "__module__", None) or type(function).__module__
    top = str(module).partition(".")[0]
    return None if top == "__main__" or top not in sys.modules else top
