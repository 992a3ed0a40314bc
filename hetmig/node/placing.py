"""What this node has and what tasks need: who may come here, and where a new task begins.

A need is looked at where it is known: by the node that is to have the task, before the task is
frozen.  What others say of themselves is only for choosing whom to ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hetmig.errors import AlreadyThere, HetmigError, MigrationRefused, NeedsNotMet
from hetmig.node import unreported
from hetmig.node.placement.catalog import Chosen
from hetmig.node.placement.needs import Facts, amounts, checked, labels_of_this_machine, missing
from hetmig.node.placement.view import NodeView, TaskView
from hetmig.node.protocol import describe_error, want
from hetmig.state.manifest import is_portable, same_minor
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.node.balancing import Balancer
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted

__all__ = ["Placing", "slots_of_this_machine", "view_of"]

_log = logging.getLogger("hetmig")
_MOVE_SECONDS = 30.0
_ROUNDS = 3
_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


def slots_of_this_machine() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


class Placing:
    """Of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._labels = labels_of_this_machine(node.here["name"])
        self._resources: dict[str, float] = {}
        self._data: list[str] = []
        self.slots = slots_of_this_machine()
        self.policy = "none"
        self.balancer: Balancer | None = None
        self.offering: dict[str, float] = {}
        """Tasks that move if they are slowed down less there, and how much they are here."""
        self.laid: set[str] = set()
        """Tasks on a shelf, which begin elsewhere."""
        self._promised: dict[str, Mapping[str, Any]] = {}
        """What tasks need that asked to come, and have no runner set aside yet."""
        self._expected: dict[str, Mapping[str, Any]] = {}
        """The same, of those which have one."""

    def configure(
        self,
        labels: Mapping[str, str],
        resources: Mapping[str, float],
        data: Sequence[str],
        slots: int | None,
        chosen: Chosen | None,
    ) -> None:
        """What its owner has said of it.  Raises HetmigError."""
        self._labels.update(labels)
        self._resources.update(checked(resources))
        self._data += data
        self.slots = slots or self.slots
        if chosen is not None and chosen.text != "none":
            from hetmig.node.balancing import Balancer

            self.policy = chosen.text
            self.balancer = Balancer(self._node, self, chosen)

    def close(self) -> None:
        """Decide nothing any more."""
        if self.balancer is not None:
            self.balancer.close()

    # What is here -----------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Tasks that run here or are about to; neither objects nor actors, which mostly wait."""
        known = [
            hosted
            for hosted in self._node.tasks.known()
            if hosted.about.get("what", "task") == "task"
        ]
        return len(known) + len(self._node.reservations)

    def facts(self, without: str = "") -> Facts:
        """What this node has, and how much of that is in use by others than the task `without`."""
        used: dict[str, float] = {}
        here = {hosted.id: hosted for hosted in self._node.tasks.known()}
        self._expected = {
            task: needs
            for task, needs in self._expected.items()
            if task in self._node.reservations or (task in here and not here[task].about)
        }
        taken = {**self._promised, **self._expected}
        taken.update(
            (task, hosted.about.get("needs") or {}) for task, hosted in here.items() if hosted.about
        )
        for task, needs in taken.items():
            if task not in (without, *self.laid):
                for name, amount in amounts(needs).items():
                    used[name] = used.get(name, 0) + amount
        return Facts(self._labels, self._resources, used, tuple(self._data))

    def describe(self) -> dict[str, Any]:
        """All of it, as others are told."""
        facts = self.facts()
        return {
            "labels": dict(facts.labels),
            "resources": dict(facts.resources),
            "used": dict(facts.used),
            "data": list(facts.data),
            "slots": self.slots,
            "count": self.count,
            "policy": self.policy,
        }

    def view(self) -> NodeView:
        """This node, as a policy sees it."""
        name: str = self._node.here["name"]
        return NodeView(name, self.count, self.slots, facts=self.facts())

    def require(self, needs: Mapping[str, Any], task: str = "") -> None:
        """Raise NeedsNotMet unless all of this is here, and free."""
        if needs and (lacks := missing(needs, self.facts(without=task))):
            raise _unmet(self._node.here["name"], lacks)

    # Moves ------------------------------------------------------------------------------------

    def request(self, hosted: Hosted) -> dict[str, Any]:
        """What a destination must know of a task before it is frozen."""
        request: dict[str, Any] = {}
        if needs := hosted.about.get("needs"):
            request["needs"] = needs
        if (slowdown := self.offering.get(hosted.id)) is not None:
            request["slowdown"] = slowdown
        return request

    @contextlib.contextmanager
    def admitted(self, header: dict[str, Any]) -> Iterator[None]:
        """A task asks to come, and a runner is set aside for it within this.

        Raises NeedsNotMet, or MigrationRefused if it gains nothing here: two nodes may have chosen
        the same idle one, and the second is told so.
        """
        task, needs = want(header, "task", str), checked(want(header, "needs", dict, {}))
        self.require(needs, task)
        slowdown = want(header, "slowdown", float, None)
        if slowdown is not None and self.view().slowdown(1) >= slowdown:
            raise MigrationRefused("it has as much to do itself by now", busy=1)
        self._promised[task] = needs  # before anybody else can ask
        try:
            yield
            self._expected[task] = needs
        finally:
            self._promised.pop(task, None)

    # Beginning --------------------------------------------------------------------------------

    async def choose(self, about: dict[str, Any], parcel: Parcel) -> list[str]:
        """The nodes where a task that is submitted may begin, best first; none: here.

        Raises NeedsNotMet if no node known here has what it needs.
        """
        needs = about.get("needs") or {}
        if about["what"] == "object":
            return []
        if missing(needs, self.facts()):
            return await self._fitting(needs, parcel)
        if about["what"] == "task" and self.balancer is not None:
            task = TaskView("", about["name"], size=about.get("size", 0), needs=needs)
            to = self.balancer.place(task, parcel)
            return [] if to is None else [to]
        return []

    async def _fitting(self, needs: Mapping[str, Any], parcel: Parcel) -> list[str]:
        """The others that have all this, the idlest first.  Raises NeedsNotMet."""
        found = [node for node in await self._node.moves.survey() if node.get("labels") is not None]
        lacks = {node["name"]: missing(needs, view_of(node).facts) for node in found}
        if parcel is not None and not is_portable(parcel.manifest):
            for node in found:
                if not same_minor(parcel.manifest["python"], node["python"]):
                    lacks[node["name"]].append("a Python of the version that made the task")
        unused = {node["name"]: replace(view_of(node).facts, used={}) for node in found}
        fitting = [
            node
            for node in found
            if not lacks[node["name"]]
            and not node["draining"]
            and not self._node.directory.is_here(node["name"])
        ]
        if not fitting:
            nearest = min(lacks, key=lambda name: (len(missing(needs, unused[name])), name))
            raise _unmet(nearest, lacks[nearest] or ["readiness: it is draining"], of=len(lacks))
        return [node["name"] for node in sorted(fitting, key=lambda node: view_of(node).load)]

    async def begin(
        self, hosted: Hosted, parcel: Parcel, places: Sequence[str] = (), *, patient: bool = False
    ) -> None:
        """Start a task that is ours and does not run yet: here, or at the first that takes it.

        With `patient` it waits for a node that has what it needs, however long that takes: it is
        not new, and somebody counts on it.
        """
        needs = hosted.about.get("needs") or {}
        try:
            if not places and not missing(needs, self.facts(without=hosted.id)):
                await hosted.start(hosted.about, parcel.manifest, parcel.frames)
            else:
                await self._elsewhere(hosted, parcel, places, patient)
        except HetmigError as error:
            if hosted.is_here:
                hosted.give_up(describe_error(error))

    async def taken_over(self, hosted: Hosted, about: dict[str, Any], parcel: Parcel) -> bool:
        """A task restarts from what its node kept: whether it does so elsewhere.

        This node may have been told to have less than before, or the task never belonged here and
        was on its way when the node was killed.
        """
        if not missing(about["needs"], self.facts(without=hosted.id)):
            return False
        frames, hosted.reports = unreported.disclose(about, parcel.frames)
        frames = hosted.calls.disclose(about, frames)
        hosted.about = about
        hosted.arrived()
        await self.begin(hosted, replace(parcel, frames=frames), patient=True)
        return True

    async def _elsewhere(
        self, hosted: Hosted, parcel: Parcel, places: Sequence[str], patient: bool
    ) -> None:
        """Lay it on a shelf, as nothing of it runs, and hand it over.  Raises HetmigError."""
        nbytes = sum(frame.nbytes for frame in parcel.frames)
        shelf: Any = self._node.shelves.make(parcel.manifest, nbytes)
        needs = hosted.about.get("needs") or {}
        self.laid.add(hosted.id)
        try:
            await hosted.start(hosted.about, parcel.manifest, parcel.frames, shelf)
            rounds, pause = 0, _PAUSE
            while hosted.is_here:
                rounds += 1
                try:
                    places = places or await self._fitting(needs, parcel)
                    if await self._hand_over(hosted, places):
                        return
                    error: HetmigError = MigrationRefused("no node takes it just now")
                except NeedsNotMet as lack:
                    error = lack
                if not missing(needs, self.facts(without=hosted.id)):
                    await self._here_after_all(hosted, parcel, shelf)
                    return
                if not patient and rounds == _ROUNDS:
                    raise error
                if rounds == 1:
                    _log.warning("task %s waits for a node: %s", hosted.id, error)
                places = ()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self.laid.discard(hosted.id)

    async def _hand_over(self, hosted: Hosted, places: Sequence[str]) -> bool:
        """Whether one of them has taken it.  Raises NeedsNotMet."""
        for place in places:
            try:
                await self._node.moves.move(hosted.id, place, _MOVE_SECONDS, "placement")
            except AlreadyThere:
                continue
            except HetmigError as error:
                if not hosted.is_here:
                    return True  # it went there after all, or was cancelled meanwhile
                _log.info("task %s does not begin at %s: %s", hosted.id, place, error)
            else:
                return True
        return False

    async def _here_after_all(self, hosted: Hosted, parcel: Parcel, shelf: Any) -> None:
        async with hosted.moving:  # somebody may have moved it by hand meanwhile
            lies_there = hosted.runner is shelf
            if hosted.is_here and lies_there:
                self.laid.discard(hosted.id)
                await hosted.start(hosted.about, parcel.manifest, parcel.frames)
                shelf.kill()


def view_of(node: Mapping[str, Any], name: str = "") -> NodeView:
    """A node, as its own words in a status describe it.  Raises ProtocolError."""
    told = dict(node)
    facts = Facts(
        {str(key): str(label) for key, label in want(told, "labels", dict).items()},
        _numbers(want(told, "resources", dict)),
        _numbers(want(told, "used", dict)),
        tuple(str(one) for one in want(told, "data", list)),
    )
    count, slots = max(want(told, "count", int), 0), max(want(told, "slots", int), 1)
    return NodeView(name or want(told, "name", str), count, slots, facts=facts)


def _numbers(told: Mapping[str, Any]) -> dict[str, float]:
    return {str(key): float(value) for key, value in amounts(told).items()}


def _unmet(node: str, lacks: Sequence[str], of: int = 1) -> NeedsNotMet:
    words = ", ".join(lacks)
    which = f"{node} lacks what the task needs: {words}"
    if of > 1:
        which = f"none of {of} nodes has all that the task needs; {node} lacks {words}"
    return NeedsNotMet(which, missing=words, node=node)
