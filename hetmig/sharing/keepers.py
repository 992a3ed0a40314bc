"""The actors that keep what is shared: one call after the other, under a fair lock if one asks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from hetmig.errors import HetmigError, TaskLost
from hetmig.sharing.pages import Pages
from hetmig.sharing.turns import Turns

__all__ = ["Keeper", "ObjectKeeper", "PageKeeper"]

_ENDED = ("done", "failed", "cancelled", "lost", "deleted")
_CHECK_SECONDS = 5.0


class Keeper:
    """What all keepers have: a lock."""

    def __init__(self) -> None:
        self.turns = Turns()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.turns.moved(time.monotonic())

    def acquire(self, ticket: str, holder: dict[str, Any]) -> int | None:
        """The lock's token; None: it is another's, ask again."""
        now = time.monotonic()
        suspect = self.turns.to_be_checked(now)
        if suspect is not None:
            same = suspect["task"] == holder["task"]  # restarted since, perhaps
            if suspect["restarts"] != holder["restarts"] if same else not _lives(suspect):
                self.turns.give_up()
        return self.turns.ask(ticket, holder, now)

    def release(self, token: int) -> None:
        """Give the lock back."""
        self.turns.release(token)

    def withdraw(self, ticket: str) -> None:
        """Who asked with this ticket does not want it any more."""
        self.turns.withdraw(ticket)


class ObjectKeeper(Keeper):
    """Keeps any object."""

    def __init__(self, kept: Any) -> None:
        super().__init__()
        self.kept = kept

    def methods(self) -> list[str]:
        """Names that are called, and not read."""
        return [name for name in dir(self.kept) if _is_method(self.kept, name)]

    def apply(
        self, token: int | None, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a method."""
        self.turns.require(token)
        return getattr(self.kept, name)(*args, **kwargs)

    def read(self, token: int | None, name: str) -> Any:
        """An attribute."""
        self.turns.require(token)
        return getattr(self.kept, name)

    def write(self, token: int | None, name: str, value: Any) -> None:
        """Set an attribute."""
        self.turns.require(token)
        setattr(self.kept, name, value)

    def items(self, token: int | None) -> list[Any]:
        """What iterating it gives now."""
        self.turns.require(token)
        return list(self.kept)

    def whole(self, token: int | None) -> Any:
        """The object, of which the caller gets a copy."""
        self.turns.require(token)
        return self.kept


class PageKeeper(Keeper):
    """Keeps bytes, page by page."""

    def __init__(self, data: bytes, page: int) -> None:
        super().__init__()
        self.pages = Pages.of(data, page)

    def digests(self, since: int) -> tuple[int, dict[int, bytes]]:
        """The version, and the digests of pages that have changed since that one."""
        return self.pages.version, self.pages.since(since)

    def fetch(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Pages by their digests, as far as they are the present ones."""
        return self.pages.fetch(digests)

    def commit(self, token: int, changed: Mapping[int, bytes], release: bool) -> int:
        """Take what a writer has changed, and the lock back; the version."""
        self.turns.require(token)
        self.pages.change(changed)
        if release:
            self.turns.release(token)
        return self.pages.version


def _is_method(kept: Any, name: str) -> bool:
    return callable(getattr(type(kept), name, None))


def _lives(holder: Mapping[str, Any]) -> bool:
    """Whether a task that holds a lock goes on, in the life in which it got it."""
    from hetmig.node import inside, protocol

    try:
        header = {"task": holder["task"], "home": holder["home"]}
        told = inside.ask(protocol.WHERE, header, _CHECK_SECONDS)["task"]
    except TaskLost:
        return False
    except (HetmigError, TimeoutError):
        return True  # nobody knows
    return told["state"] not in _ENDED and told.get("restarts", 0) == holder["restarts"]
