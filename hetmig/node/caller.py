"""The rights that a key can have, and whoever asks a node for something, with theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hetmig.errors import HetmigError

__all__ = ["ADMIN", "ALL", "OBSERVE", "RUN", "SUBMIT", "Caller", "owner_of", "parse_rights"]

SUBMIT = "submit"
"""Hand tasks, actors and objects in; see, move and end one's own, and have their results."""
RUN = "run"
"""Be a node: offer tasks to this one, be offered its tasks, report what they do."""
OBSERVE = "observe"
"""See all tasks, where they are, their output and progress.  Not their results."""
ADMIN = "admin"
"""Drain and end the node, authorise keys; move and end anybody's tasks, have their results."""
ALL = frozenset({SUBMIT, RUN, OBSERVE, ADMIN})


def parse_rights(text: str) -> frozenset[str]:
    """The rights in "submit,observe"; "all" is all of them.  Raises HetmigError."""
    words = {word.strip() for word in text.split(",")} - {""}
    rights = ALL if words == {"all"} else frozenset(words)
    if not rights or not rights <= ALL:
        raise HetmigError(
            f"{text!r} is no list of rights: choose from {','.join(sorted(ALL))}, or say all"
        )
    return rights


@dataclass(frozen=True)
class Caller:
    """For whom something is asked: a key (Z85), its rights here, the node it came by."""

    key: str = ""
    rights: frozenset[str] = frozenset()
    peer: str | None = None

    def owns(self, about: Mapping[str, Any]) -> bool:
        """Whether a task is the caller's, or its home node asks, which has looked at that."""
        home: Mapping[str, Any] = about.get("home") or {}
        at_home = self.peer is not None and self.peer == home.get("key")
        return at_home or self.key == owner_of(about)

    def may_control(self, about: Mapping[str, Any]) -> bool:
        """Whether the caller may move or end this task, and have its result."""
        return ADMIN in self.rights or self.owns(about)

    def may_see(self, about: Mapping[str, Any]) -> bool:
        """Whether the caller may know that there is this task, and what it writes."""
        return OBSERVE in self.rights or self.may_control(about)


def owner_of(about: Mapping[str, Any]) -> str | None:
    """The key (Z85) that handed a task in; without a record of it, its home node's."""
    home: Mapping[str, Any] = about.get("home") or {}
    owner = about.get("owner", home.get("key"))
    return owner if isinstance(owner, str) else None
