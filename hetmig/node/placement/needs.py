"""What a task needs of a node, what a node has, and what is missing: labels, resources, data.

A need is a word and a value.  A number is so much of a resource, which the task keeps while it is
there; a text is a label of the node, a list of texts is any of them, True is that there is such a
label; `data` is the address of data which should be near, one or a list that all are needed.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hetmig.errors import HetmigError

__all__ = [
    "DATA",
    "Facts",
    "amounts",
    "checked",
    "labels_of_this_machine",
    "missing",
    "pair",
    "settled",
]

DATA = "data"
_USER = ("client", "task")
"""Who asked for a move: a person, or the task itself."""
_MOST = 64
_LONGEST = 1000
_SAME = {"arm64": "aarch64", "amd64": "x86_64", "x64": "x86_64", "i686": "i386", "x86": "i386"}
"""Other names that operating systems have for the same processor."""


@dataclass(frozen=True)
class Facts:
    """What a node has to offer."""

    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    """How much of each there is."""
    used: Mapping[str, float] = field(default_factory=dict)
    """How much of that tasks have."""
    data: Sequence[str] = ()
    """Addresses of data that is near; everything below them is near, too."""

    def free(self, resource: str) -> float:
        """How much of a resource nobody has."""
        return self.resources.get(resource, 0) - self.used.get(resource, 0)


def checked(needs: Any) -> dict[str, Any]:
    """Needs as they come from a user.  Raises HetmigError for what is none."""
    if not isinstance(needs, Mapping):
        raise HetmigError(f"needs={needs!r}: give a dictionary, such as {{'arch': 'aarch64'}}")
    if len(needs) > _MOST:
        raise HetmigError(f"{len(needs)} needs: at most {_MOST} can be given")
    return {_word(name): _value(name, value) for name, value in needs.items()}


def _word(name: Any) -> str:
    if not (isinstance(name, str) and 0 < len(name) <= _LONGEST):
        raise HetmigError(f"{name!r} is no name of a need: that is a short text")
    return name


def _value(name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, str) for one in value):
        return [_word(one) for one in value]
    if name == DATA and not isinstance(value, str):
        raise HetmigError(f"needs {name}={value!r}: an address is a text, or a list of texts")
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, (bool, int, float)) and math.isfinite(value) and value >= 0:
        return value
    raise HetmigError(
        f"needs {name}={value!r}: give a text for a label, a list of texts for any of them, True "
        "for a label of any value, or a number for so much of a resource"
    )


def amounts(needs: Mapping[str, Any]) -> dict[str, float]:
    """The resources among the needs, and how much of each."""
    return {
        name: float(value)
        for name, value in needs.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def missing(needs: Mapping[str, Any], facts: Facts) -> list[str]:
    """What of the needs the node does not have, in words; empty if it has all."""
    return [words for name, value in needs.items() if (words := _lack(name, value, facts))]


def _lack(name: str, value: Any, facts: Facts) -> str:
    if name == DATA:
        return _far([value] if isinstance(value, str) else value, facts.data)
    if isinstance(value, bool):
        there = facts.labels.get(name, "") not in ("", "false", "no", "0")
        return "" if there is value else f"{name}={str(value).lower()}"
    if isinstance(value, (int, float)):
        free = facts.free(name)
        if value <= free + 1e-9:
            return ""
        return f"{name}={value:g} ({free:g} of {facts.resources.get(name, 0):g} free)"
    wanted = [value] if isinstance(value, str) else list(value)
    has = facts.labels.get(name)
    if has is not None and _canonical(name, has) in {_canonical(name, one) for one in wanted}:
        return ""
    told = f"has {has}" if has is not None else "has no such label"
    return f"{name}={' or '.join(wanted)} ({told})"


def _far(wanted: Iterable[str], near: Sequence[str]) -> str:
    far = [one for one in wanted if not any(_is_below(one, place) for place in near)]
    return f"data {', '.join(far)}" if far else ""


def _is_below(address: str, place: str) -> bool:
    place = place.rstrip("/")
    return address.rstrip("/") == place or address.startswith(f"{place}/")


def _canonical(name: str, value: str) -> str:
    return _SAME.get(value.lower(), value.lower()) if name == "arch" else value


def labels_of_this_machine(name: str) -> dict[str, str]:
    """The labels that each node has without being told; `name` is the node's."""
    major, minor, _ = platform.python_version_tuple()
    return {
        "node": name,
        "arch": platform.machine(),
        "system": platform.system(),
        "python": f"{major}.{minor}",
    }


def settled(about: Mapping[str, Any], requested_by: str) -> dict[str, Any]:
    """The record of a task that is being moved: where its user puts it, no policy moves it away."""
    return {**about, "stays": True} if requested_by in _USER else dict(about)


def pair(text: str) -> tuple[str, str]:
    """KEY=VALUE of a command line.  Raises ValueError."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name, value
