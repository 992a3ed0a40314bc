"""What travels of an open file, by its policy, and how it is open again at the destination."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any

from hetmig.errors import HetmigError, NotMigratable
from hetmig.redirection import line as lines
from hetmig.redirection.content import content_of, is_named, scratch, whole
from hetmig.redirection.layers import make_closed
from hetmig.redirection.line import Line
from hetmig.redirection.raw import LocalRaw, RemoteRaw

__all__ = ["flags_of", "reduce_local", "reduce_remote", "since_checkpoint"]

_GOING = os.O_TRUNC | os.O_CREAT | os.O_EXCL
_ELSEWHERE = (
    "hetmig.open(..., policy='home') keeps it open at its node, 'carry' takes its content along"
)
_resumed = _standby = False
"""Whether what is put together comes from a checkpoint, and files may have grown since; and whether
that task still runs, and this is a copy which waits."""


@contextlib.contextmanager
def since_checkpoint(resumed: bool, standby: bool = False) -> Iterator[None]:
    """Whether what is put together meanwhile was kept some time ago, and files may have grown.

    `standby`: the task itself goes on, and no file of its may be touched.
    """
    global _resumed, _standby
    before, (_resumed, _standby) = (_resumed, _standby), (resumed, standby)
    try:
        yield
    finally:
        _resumed, _standby = before


def _require_its_turn(told: dict[str, Any]) -> None:
    """Raise NotMigratable if the task itself still has the file."""
    if _standby:
        raise NotMigratable(f"the task still has {told['path']} open", standby=1)


def flags_of(mode: str) -> int:
    """How a file that was opened in this raw mode is opened once more: it is there already."""
    flags = os.O_RDWR if "+" in mode else os.O_RDONLY if "r" in mode else os.O_WRONLY
    flags |= os.O_APPEND if "a" in mode else 0
    return flags | getattr(os, "O_BINARY", 0)


# Leaving --------------------------------------------------------------------------------------


def _require_one_owner(raw: LocalRaw | RemoteRaw) -> None:
    if (line := lines.current()) is not None and line.divides:
        raise NotMigratable(
            f"{raw.path} is open, and its position can be in one place only: open it within the "
            "loop's body, or close it before the loop"
        )


def reduce_local(raw: LocalRaw) -> tuple[Any, ...]:
    """How a file of this machine is taken apart.  Raises NotMigratable, saying what to do."""
    if raw.closed:
        return make_closed, ("Raw", (raw.name, raw.mode, raw.policy))
    _require_one_owner(raw)
    try:
        raw.settle()
    except OSError as error:
        raise NotMigratable(f"what was written to {raw.path} can't be put there: {error}") from None
    policy, line = raw.policy, lines.current()
    if policy == "home" and line is None:
        policy = "reopen"  # outside of a task there is no node that could keep it open
    told = {"name": raw.name, "mode": raw.mode, "path": raw.path, "policy": raw.policy}
    return _LEAVING[policy](raw, told, line)


def _refuse(raw: LocalRaw, told: dict[str, Any], line: Line | None) -> tuple[Any, ...]:
    raise NotMigratable(
        f"{raw.path} was opened with the policy 'refuse': close it before a move; {_ELSEWHERE}"
    )


def _reopen(raw: LocalRaw, told: dict[str, Any], line: Line | None) -> tuple[Any, ...]:
    if not is_named(os.fstat(raw.fileno()), raw.path):
        raise NotMigratable(
            f"{raw.path} is not the name of this file any more, or no regular file; {_ELSEWHERE}"
        )
    return arrive_reopened, ({**told, "position": raw.tell(), "content": content_of(raw.path)},)


def _carry(raw: LocalRaw, told: dict[str, Any], line: Line | None) -> tuple[Any, ...]:
    try:
        content = pickle.PickleBuffer(whole(raw.fileno(), raw.path))
    except (OSError, ValueError) as error:
        raise NotMigratable(f"{raw.path} can't be carried: {error}") from None
    return arrive_carried, ({**told, "position": raw.tell()}, content)


def _home(raw: LocalRaw, told: dict[str, Any], line: Line | None) -> tuple[Any, ...]:
    assert line is not None
    status = os.fstat(raw.fileno())
    told |= {"position": raw.tell(), "place": line.here, "number": 0}
    told["identity"] = [line.here.get("endpoint", ""), status.st_dev, status.st_ino]
    if line.keeps:  # whoever starts from the copy may find another process there
        if not is_named(status, raw.path):
            raise NotMigratable(f"{raw.path} is not the name of this file any more")
        return arrive_from_copy, ({**told, "content": content_of(raw.path)},)
    if raw.handle is None:
        asked = {"op": "keep", "fd": raw.fileno(), "path": raw.path, "at_node": line.here}
        asked |= {"flags": flags_of(raw.mode), "identity": told["identity"][1:]}
        try:
            raw.handle = line.answer(line.ask(asked))[0]["handle"]
        except (OSError, HetmigError) as error:
            raise NotMigratable(f"this node can't keep {raw.path} open: {error}") from error
    return arrive_home, ({**told, "handle": raw.handle},)


_LEAVING: dict[str, Callable[..., tuple[Any, ...]]] = {
    "refuse": _refuse,
    "reopen": _reopen,
    "carry": _carry,
    "home": _home,
}


def reduce_remote(raw: RemoteRaw) -> tuple[Any, ...]:
    """How a file which is open at another node is taken apart.  Raises NotMigratable."""
    if raw.closed:
        return make_closed, ("Raw", (raw.name, raw.mode, raw.policy))
    _require_one_owner(raw)
    try:
        raw.settle()
        raw.flush()
        size = raw.size() if (line := lines.current()) and line.keeps else None
    except (OSError, HetmigError) as error:
        raise NotMigratable(
            f"what was written to {raw.path} can't be put there: {error}"
        ) from error
    raw.forget()
    told = {**raw.told(), "policy": raw.policy}
    return arrive_home, (told if size is None else {**told, "size": size},)


# Arriving -------------------------------------------------------------------------------------


def _opened(told: dict[str, Any], opener: Callable[[str, int], int]) -> LocalRaw:
    """A raw file that says of itself what the original said."""
    mode: str = told["mode"]
    plain = mode.replace("b", "")
    made = LocalRaw(told["name"], plain.replace("x", "w"), told["policy"], told["path"],
                    opener=opener)  # fmt: skip
    made.seek(told["position"])
    return made


def _opener(path: str) -> Callable[[str, int], int]:
    extra = getattr(os, "O_CLOEXEC", 0)
    return lambda _, flags: os.open(path, (flags & ~_GOING) | extra)


def arrive_reopened(told: dict[str, Any]) -> LocalRaw:
    """The file of that name here, where it was left.  Raises NotMigratable if it is another one."""
    path, (size, digest) = told["path"], told["content"]
    if told["mode"] != "rb":
        _require_its_turn(told)
    grows = told["mode"] != "rb"  # others may add to what the task has written
    try:
        here = content_of(path, size if _resumed or grows else None)
        if here != (size, digest):
            raise NotMigratable(
                f"{path} is another file on this machine: the policy 'reopen' is for files which "
                f"both machines have; {_ELSEWHERE}"
            )
        made = _opened(told, _opener(path))
    except OSError as error:
        raise NotMigratable(f"{path} can't be opened on this machine: {error}") from error
    if _resumed and made.writable():  # what the task has written since, it writes again
        os.truncate(made.fileno(), size)
        made.seek(told["position"])
    return made


def arrive_carried(told: dict[str, Any], content: Any) -> LocalRaw:
    """A file of its own, with that content."""
    try:
        return _opened(told, lambda _, flags: scratch(content, flags))
    except OSError as error:
        raise NotMigratable(f"{told['path']} can't be put down here: {error}") from error


def arrive_from_copy(told: dict[str, Any]) -> LocalRaw:
    """A file of the policy 'home' in a checkpoint: it is at its node alone."""
    _require_its_turn(told)
    line = lines.current()
    place = told["place"]
    if line is None or line.here != place:
        raise NotMigratable(
            f"{told['path']} was open at the node {place.get('name')} when the copy was made, and "
            "can be opened again only there: resume the task there, or open such files with the "
            "policy 'reopen' or 'carry'"
        )
    with since_checkpoint(True):
        return arrive_reopened(told)


def arrive_home(told: dict[str, Any]) -> LocalRaw | RemoteRaw:
    """The file as its node has it open.  Raises NotMigratable if that can't be reached."""
    _require_its_turn(told)
    line = lines.current()
    if line is None:
        raise NotMigratable(f"{told['path']} is open at a node, and this is no task of one")
    if line.here == told["place"]:
        made = _back_home(told, line)
        if made is not None:
            return made
    raw = RemoteRaw(told, line)
    try:
        raw.attach()
        if _resumed and "size" in told and raw.writable():
            raw.truncate(told["size"])
    except (OSError, HetmigError) as error:
        raw.abandon()
        raise NotMigratable(
            f"{told['path']}, which is open at the node {told['place'].get('name')}, can't be "
            f"reached from here: {error}"
        ) from error
    return raw


def _back_home(told: dict[str, Any], line: Line) -> LocalRaw | None:
    """The file itself, at the node that has it open; None if it can't be had."""
    asked = {"op": "reclaim", "handle": told["handle"], "at_node": line.here}
    try:
        pid, descriptor = line.answer(line.ask(asked))[0]["at"]
        for path in (f"/proc/{pid}/fd/{descriptor}", told["path"]):
            if not os.path.exists(path):
                continue
            made = _opened(told, _opener(path))
            status = os.fstat(made.fileno())
            if [status.st_dev, status.st_ino] == list(told["identity"][1:]):
                made.handle = told["handle"]
                return made
            io.FileIO.close(made)
    except (OSError, HetmigError):
        return None
    return None
