"""A node is emptied: its tasks move to peers; what can't move is kept, in a file or the journal.

Three quarters of the time are for moving, the rest for what then is still here.  A node that is
about to end keeps a task in its journal, from where it goes on at the next start; one without a
journal, or that stays, writes a checkpoint and stops the task.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import (
    HetmigError,
    MigrationRefused,
    NodeUnreachable,
    NotMigratable,
    TaskLost,
    Unauthorized,
)
from hetmig.node.background import spawn
from hetmig.node.handoff import State
from hetmig.node.hosted import Hosted
from hetmig.node.leftovers import homeless, what_remains
from hetmig.node.protocol import describe_error
from hetmig.node.rehoming.handing_over import hand_over, needs_home

if TYPE_CHECKING:
    from hetmig.node.daemon import Node

__all__ = ["Drain", "Drains"]

_AT_ONCE = 8
"""Tasks in motion: more of them would only stand still for longer, each."""
_PATIENCE = 1.0
"""Seconds in which a task has to come to a safe point in the first round; the others go first."""
_MORE = 4.0
_REFUSALS = 2
"""Rounds in which all peers have refused a task: another one would be the same."""
_FOR_KEEPING = 10.0
"""Seconds of the deadline, at most, which are not for moving."""
_HURRY = 3.0
"""Seconds that are left to a drain which is told to hurry, to keep what is here."""
_LAST_MOMENT = 1.0
_PAUSE = 0.05
_LATE = "the node's deadline passed"
_HOPELESS = "no other node that takes tasks is known here"


class Drain:
    """One drain, which is run once."""

    def __init__(self, node: Node, deadline: float, *, ends: bool) -> None:
        """`ends`: the node ends afterwards."""
        self._node = node
        self._ends = ends
        self._until = time.monotonic() + deadline
        self._moving_until = self._until - min(deadline / 4, _FOR_KEEPING)
        self._stopped = False
        self._refusals: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._report: dict[str, dict[str, Any]] = {}

    async def run(self) -> list[dict[str, Any]]:
        """Empty the node; for each task `task`, `name`, `fate` and what belongs to that."""
        await self._move_all()
        if not self._stopped:
            await self._rehome_all()
            await self._keep_all()
        for hosted in self._left():
            self._add(hosted, **what_remains(self._node, hosted, self._why(hosted), self._ends))
        if not self._stopped:
            await self._rehome_all()
        if self._ends and not self._node.journal.is_durable:
            self._give_up_the_lost()
            await self._last_words()
        return list(self._report.values())

    def hurry(self) -> None:
        """Move nothing more, and keep what can be kept now; the second time: end at once."""
        now = time.monotonic()
        again = self._moving_until <= now
        self._moving_until = min(self._moving_until, now)
        self._until = now if again else min(self._until, now + _HURRY)

    def stop(self) -> None:
        """The node is not to be drained any more: what is still here stays, and goes on."""
        self._stopped = True
        self._moving_until = self._until = time.monotonic()

    # What is here -----------------------------------------------------------------------------

    def _left(self) -> list[Hosted]:
        """What is here, on its way here or away, and not dealt with; the oldest first."""
        return [task for task in self._node.tasks.known() if task.id not in self._report]

    def _add(self, hosted: Hosted, **fate: Any) -> None:
        name = hosted.about.get("name", "")
        what = hosted.about.get("what", "task")
        blank = {"to": None, "reason": "", "checkpoint": None}
        self._report[hosted.id] = {"task": hosted.id, "name": name, "what": what, **blank, **fate}

    def _has_gone(self, hosted: Hosted) -> bool:
        """Whether a task is not here any more; then it is in the report."""
        if hosted.is_known:
            return False
        if hosted.forward is not None:  # by itself, or by another's wish
            self._add(hosted, fate="moved", to=hosted.forward["name"])
        elif hosted.about:
            self._add(hosted, fate="ended", reason="it ended meanwhile", ended=True)
        return True

    def _note(self, hosted: Hosted, error: HetmigError) -> None:
        """Why it is still here; what was in the way says more than that it was too late."""
        if _LATE not in str(error) or hosted.id not in self._reasons:
            self._reasons[hosted.id] = str(error)

    def _why(self, hosted: Hosted) -> str:
        return self._reasons.get(hosted.id, "there was no time left")

    # Moving -----------------------------------------------------------------------------------

    async def _move_all(self) -> None:
        patience = _PATIENCE
        while (left := self._left()) and time.monotonic() < self._moving_until:
            here = [t for t in left if t.is_here and self._refusals[t.id] < _REFUSALS]
            if not here:
                if all(task.is_here for task in left):
                    return
                await asyncio.sleep(_PAUSE)  # some are on their way here
                continue
            peers = await self._peers()
            if not peers:
                self._reasons.update((task.id, _HOPELESS) for task in here)
                self._refusals.update(task.id for task in here)
            await self._each(
                here if peers else (),
                lambda hosted: self._evacuate(hosted, peers, patience),  # noqa: B023
                _AT_ONCE,
                lambda: self._moving_until,
            )
            patience *= _MORE
            await asyncio.sleep(_PAUSE)

    async def _peers(self) -> dict[str, int]:
        """The nodes that may take tasks, and how many each has."""
        found = await self._node.moves.survey()
        others = [peer for peer in found if peer["name"] != self._node.here["name"]]
        return {p["name"]: p["tasks"] for p in others if p["reachable"] and not p["draining"]}

    async def _evacuate(self, hosted: Hosted, peers: dict[str, int], patience: float) -> None:
        """Try to move a task to one peer after the other, the idlest first."""
        refused = False
        for name in sorted(peers, key=lambda peer: peers[peer]):
            remaining = self._moving_until - time.monotonic()
            if remaining <= 0 or name not in peers or self._has_gone(hosted):
                break
            peers[name] += 1
            try:
                hop = await self._node.moves.move(
                    hosted.id, name, remaining, "drain", min(patience, remaining)
                )
            except (MigrationRefused, Unauthorized, NodeUnreachable) as error:
                self._note(hosted, error)
                refused = True
                if isinstance(error, NodeUnreachable):
                    peers.pop(name, None)
            except HetmigError as error:  # it can't be captured just now, whoever would take it
                self._note(hosted, error)
                refused = False
                break
            else:
                self._add(hosted, fate="moved", to=name, freeze_s=hop["freeze_s"])
                return
        if not self._has_gone(hosted):
            self._refusals[hosted.id] += refused

    async def _each(
        self,
        tasks: Sequence[Hosted],
        work: Callable[[Hosted], Awaitable[None]],
        at_once: int,
        until: Callable[[], float],
    ) -> None:
        """Do this for each, so many at once; when time is over, what is frozen goes on here."""
        waiting, under_way = deque(tasks), dict[asyncio.Task[None] | None, Hosted]()

        async def one_by_one() -> None:
            while waiting and time.monotonic() < until():
                hosted = under_way[asyncio.current_task()] = waiting.popleft()
                await work(hosted)

        workers = {spawn(one_by_one()) for _ in range(min(at_once, len(waiting)))}
        await self._wait(workers, until)
        late = [worker for worker in workers if worker in under_way and not worker.done()]
        for hosted in (under_way[worker] for worker in late):
            hosted.fail_freeze(NotMigratable(_LATE))
            hosted.transitions.withdraw(_LATE)
        limit = min(time.monotonic() + _LAST_MOMENT, max(self._until, time.monotonic() + 0.2))
        await self._wait(workers, lambda: limit)
        for worker in late:
            # What is committed to a node that has fallen silent goes on being so.
            if under_way[worker].handoff.state is not State.COMMITTED:
                worker.cancel()

    async def _wait(self, workers: set[asyncio.Task[Any]], until: Callable[[], float]) -> None:
        pending = workers
        while pending and (remaining := until() - time.monotonic()) > 0:
            _, pending = await asyncio.wait(pending, timeout=min(remaining, _PAUSE))

    # Keeping ----------------------------------------------------------------------------------

    async def _keep_all(self) -> None:
        """First those that are quickly captured, then each as long as there is time."""
        stayed = dict(self._reasons)
        for patience, at_once in ((_PATIENCE, _AT_ONCE), (float("inf"), 1000)):
            here = [hosted for hosted in self._left() if hosted.handoff.state is State.RUNNING]

            async def keep(hosted: Hosted, patience: float = patience) -> None:
                await self._keep(hosted, patience, stayed.get(hosted.id, ""))

            await self._each(here, keep, at_once, lambda: self._until)

    async def _keep(self, hosted: Hosted, patience: float, stayed: str) -> None:
        """`stayed`: why it has not moved."""
        seconds = min(patience, max(0.8 * (self._until - time.monotonic()), 0.1))
        durable = self._ends and self._node.journal.is_durable
        try:
            if durable:
                saved = await self._node.checkpoints.park(hosted, timeout=seconds)
            else:
                because = f"{self._node.here['name']} was drained, and the task checkpointed"
                saved = await self._node.checkpoints.take(
                    hosted, timeout=seconds, stop=True, because=because
                )
        except HetmigError as error:
            if not self._has_gone(hosted):
                self._note(hosted, error)
                if stayed and stayed not in self._why(hosted):
                    self._reasons[hosted.id] = f"{stayed}; and not kept, as {self._why(hosted)}"
            return
        where = None if saved is None else saved["where"]
        if durable:
            reason = "it goes on from where it stands when the node is started again"
            self._add(hosted, fate="kept", reason=reason, checkpoint=where)
        else:
            reason = f"{stayed or self._why(hosted)}; `hetmig resume {where}` starts it again"
            self._add(hosted, fate="checkpointed", reason=reason, checkpoint=where)

    # The node as a home -----------------------------------------------------------------------

    async def _rehome_all(self) -> None:
        """Let others be the home of what has left, and of results that nobody has fetched yet."""
        records = [r for r in self._node.home.records.values() if needs_home(self._node, r)]
        if not records or not (peers := await self._peers()):
            return
        homes = await hand_over(self._node, peers, lambda: self._until)
        for record in records:
            if (home := homes.get(record.id)) is None:
                continue
            entry = {"task": record.id, "name": record.about["name"], "what": record.what}
            entry |= {"to": home, "fate": "rehomed", "checkpoint": None}
            entry["reason"] = f"it is on {record.place['name']}, and at home on {home} now"
            if record.outcome is not None:
                entry["reason"] = f"its result is kept on {home} now"
            self._report.setdefault(record.id, entry)["home"] = home

    # The end ----------------------------------------------------------------------------------

    def _give_up_the_lost(self) -> None:
        """Who waits for what goes down with this node is told so."""
        for entry in self._report.values():
            hosted = self._node.tasks.get(entry["task"])
            if entry["fate"] == "lost" and hosted is not None and hosted.is_here:
                hosted.give_up(describe_error(TaskLost(entry["reason"])))

    async def _last_words(self) -> None:
        """This node forgets all: until the deadline others may fetch what it knows."""
        while time.monotonic() < self._until:
            waits = any(record["waits"] for record in homeless(self._node))
            if not (waits or self._node.directory.unacknowledged):
                break
            await asyncio.sleep(_PAUSE)
        for record in homeless(self._node):
            entry = self._report.setdefault(record["task"], record)
            entry["fate"] = "lost" if entry["fate"] == "lost" else "homeless"
            if entry is not record:
                entry["reason"] = record["reason"]


class Drains:
    """The drains of one node: one at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._drain: Drain | None = None
        self._one = asyncio.Lock()
        self.last: list[dict[str, Any]] | None = None
        """The report of the one after which the node ends, once it is done."""

    @property
    def is_ending(self) -> bool:
        """Whether the node is being emptied in order to end."""
        return self._node.ending

    async def drain(self, deadline: float, *, ends: bool = False) -> list[dict[str, Any]]:
        """Empty the node; what became of each task.  Raises HetmigError if it is ending already.

        One that is under way gives way.
        """
        if self._node.ending:
            raise HetmigError(f"{self._node.here['name']} is being drained already, and then ends")
        drain = Drain(self._node, deadline, ends=ends)
        self._node.draining, self._node.ending = True, ends
        if self._drain is not None:
            self._drain.stop()
        async with self._one:
            self._drain = drain
            try:
                report = await drain.run()
            finally:
                self._drain = None
        if ends:
            self.last = report
        return report

    def hurry(self) -> None:
        """See `Drain.hurry`."""
        if self._drain is not None:
            self._drain.hurry()

    def undo(self) -> None:
        """Take tasks again.  Raises HetmigError if the node is ending."""
        if self._node.ending:
            raise HetmigError(f"{self._node.here['name']} ends: that can't be undone")
        self._node.draining = False
        if self._drain is not None:
            self._drain.stop()
