"""Who is believed to be a task's new home: whom its present home names, or who shows its deed.

A task's record at its home has secrets, the deeds, and the task takes the digest of the newest one
along.  A new home shows the deeds of those before it, and gives the digest of one of its own.  So
the old home may be gone for good, and a node that has seen the task can't claim it all the same.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hetmig.errors import Unauthorized
from hetmig.node.protocol import place_of, want

if TYPE_CHECKING:
    from hetmig.node.record import Record

__all__ = ["Claim", "at_home", "digest", "new_deed", "require_believable", "term_of"]

_ITEMS = ("home", "term", "deed")


class Claim(NamedTuple):
    """A node is the home of a task from a term on."""

    task: str
    home: dict[str, Any]
    term: int
    deed: str
    """Digest of the new home's own deed."""
    shown: Sequence[str] = ()
    """Deeds of the homes before."""

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Claim:
        """Raises ProtocolError."""
        header = dict(header)
        shown = [str(deed) for deed in want(header, "shown", list, [])]
        place = place_of(want(header, "home", dict))
        term, deed = want(header, "term", int), want(header, "deed", str)
        return cls(want(header, "task", str), place, term, deed, shown)

    @classmethod
    def by(cls, record: Record) -> Claim:
        """What the home of a task says of itself to a node that has seen the task."""
        about = record.about
        deed = str(about.get("deed", ""))
        return cls(record.id, about["home"], term_of(about), deed, record.deeds[:-1])

    def header(self) -> dict[str, Any]:
        """As JSON."""
        return {**self._asdict(), "shown": list(self.shown)}


def new_deed() -> str:
    """A secret that nobody else has."""
    return secrets.token_hex(16)


def digest(deed: str) -> str:
    """What the task takes along of a deed."""
    return hashlib.sha256(deed.encode()).hexdigest()


def term_of(about: Mapping[str, Any]) -> int:
    """Since which term the task has been at home where its record says."""
    term = about.get("term", 1)
    return term if type(term) is int else 1


def at_home(about: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A task's record, with the home that another one names."""
    named = {item: other[item] for item in _ITEMS if item in other}
    return {**{item: value for item, value in about.items() if item not in _ITEMS}, **named}


def require_believable(about: Mapping[str, Any], claim: Claim, sender: bytes) -> None:
    """Raise Unauthorized unless the present home says it, or its deed was shown."""
    present = str(about["home"]["key"]).encode()
    if sender != present and about.get("deed") not in {digest(deed) for deed in claim.shown}:
        raise Unauthorized(
            f"the home of task {claim.task} is {about['home']['name']}: only that node can name "
            f"another one, and it has not named {claim.home['name']}"
        )
