"""The loop that runs a policy: looks at the peers, asks the policy, carries out what it decides.

The policy decides; whether a move is possible, and whether the destination wants it, is found out
by the same handoff as for any other move.  Whoever moved a task by hand, and a task that moved by
itself, is not overruled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hetmig.errors import (
    HetmigError,
    InMotion,
    MigrationRefused,
    NodeUnreachable,
    ProtocolError,
    Unauthorized,
)
from hetmig.node import events, parts, protocol
from hetmig.node.background import spawn
from hetmig.node.events import happened
from hetmig.node.handoff import State
from hetmig.node.placement.catalog import Chosen
from hetmig.node.placement.cost import MoveCosts
from hetmig.node.placement.prediction import LastValue, Predictor
from hetmig.node.placement.restraint import Restraint
from hetmig.node.placement.view import Ask, Divide, Move, NodeView, TaskView, View
from hetmig.node.placing import Placing, view_of
from hetmig.node.protocol import Buffer, Message, want
from hetmig.state.manifest import is_portable, same_minor
from hetmig.state.parcel import Parcel

if TYPE_CHECKING:
    from hetmig.node.daemon import Node
    from hetmig.node.hosted import Hosted

__all__ = ["HANDLERS", "Balancer"]

_log = logging.getLogger("hetmig")
_MOVE_SECONDS = 10.0
_PATIENCE = 2.0
"""Seconds that a task has to come to a safe point; it is not worth more than that."""
_STATUS_SECONDS = 2.0
_SHORTEST = 0.05
"""Seconds between two rounds, however much happens."""
_MOMENTS = {"arrival": ("submitted", "arrived"), "end": ("ended", "moved")}


class Balancer:
    """Runs one policy on one node."""

    def __init__(self, node: Node, placing: Placing, chosen: Chosen) -> None:
        self._node, self._placing, self.chosen = node, placing, chosen
        self.policy = chosen.policy
        self.restraint = Restraint(chosen.limits)
        self.costs = MoveCosts()
        self._peers: dict[str, NodeView] = {}
        self._pythons: dict[str, dict[str, Any]] = {}
        self._predictors: dict[str, Predictor] = {}
        self._wake = asyncio.Event()
        self._moments = {event for moment in self.policy.moments for event in _MOMENTS[moment]}
        self._looked = time.monotonic()
        self._names: dict[str, str] = {}
        self._lifetimes: dict[str, tuple[int, float]] = {}
        """Of the tasks of a name that have ended here: how many, and their mean work."""
        events.watch(self._happened)
        self._loop = asyncio.create_task(self._run())

    def close(self) -> None:
        """End the loop; moves under way end by themselves."""
        events.unwatch(self._happened)
        self._loop.cancel()

    def place(self, task: TaskView, parcel: Parcel) -> str | None:
        """Where a new task is to begin, by what is known of the peers; None is here."""
        task.expected = self._lifetimes.get(task.name, (0, None))[1]
        view = self._view()
        if not is_portable(parcel.manifest):
            made = parcel.manifest["python"]
            view.peers = [p for p in view.peers if same_minor(self._pythons[p.name], made)]
        with self._suspect():
            name = self.policy.place(task, view)
            peer = next((peer for peer in view.peers if peer.name == name), None)
            if peer is not None and peer.fits(task):
                happened("placed", decision="place", to=peer.name, result="begins")
                peer.tasks += 1
                return peer.name
        return None

    async def give(self, asker: NodeView) -> tuple[str | None, bool]:
        """A peer asks for a task: which one it gets, and whether that has arrived there."""
        self._grow_older()
        view = self._view([asker])
        with self._suspect():
            move = self.policy.give(asker, view)
            for allowed in self.restraint.allowed([] if move is None else [move], view):
                assert isinstance(allowed, Move)
                return allowed.task, await self._move(allowed, "give")
        return None, False

    # The loop ---------------------------------------------------------------------------------

    def _happened(self, event: str, task: str, details: dict[str, Any]) -> None:
        if event == "moved":
            self.costs.measured(details["destination"], details["bytes"], details["freeze_s"])
        if event in self._moments:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.chosen.every):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._round()
            except HetmigError as error:
                _log.warning("the policy %s could not be run: %s", self.chosen.text, error)
            await asyncio.sleep(_SHORTEST)

    async def _round(self) -> None:
        self._grow_older()
        if self._node.draining:
            return
        await self._look()
        view = self._view()
        with self._suspect():
            for decision in self.restraint.allowed(self.policy.decide(view), view):
                if isinstance(decision, Ask):
                    spawn(self._ask(decision))
                elif isinstance(decision, Divide):
                    spawn(self._divide(decision))
                else:
                    spawn(self._move(decision, "move"))

    @contextlib.contextmanager
    def _suspect(self) -> Iterator[None]:
        """A policy may be a user's: what it raises is logged, and nothing is decided."""
        try:
            yield
        except HetmigError:
            raise
        except Exception:
            _log.exception("the policy %s failed", self.chosen.text)

    # What there is to see ---------------------------------------------------------------------

    async def _look(self) -> None:
        """Ask the peers, or some of them, what they have to do."""
        names = self._node.directory.others()
        random.shuffle(names)
        names = names[: self.chosen.probes]
        found = await asyncio.gather(*map(self._status, names))
        self._peers = {view.name: view for view in found if view is not None}

    async def _status(self, name: str) -> NodeView | None:
        try:
            async with asyncio.timeout(_STATUS_SECONDS):
                link = await self._node.directory.reach(name, self._node.about())
                self._node.directory.require_node(link)
                status = await link.request(protocol.STATUS, {}, timeout=_STATUS_SECONDS)
            header = status.header
            if want(header, "draining", bool) or want(header, "labels", dict, None) is None:
                return None
            self._pythons[name] = want(header, "python", dict)
            view = view_of(header, name)
        except (HetmigError, TimeoutError):
            return None
        predictor = self._predictors.setdefault(name, self.chosen.predictor())
        predictor.observe(view.tasks, time.monotonic())
        view.predicted = None if isinstance(predictor, LastValue) else predictor.predict()
        return view

    def _view(self, peers: Sequence[NodeView] | None = None) -> View:
        here = self._placing.view()
        here.tasks = max(here.tasks - self.restraint.moving, 0)
        known = list(self._peers.values()) if peers is None else peers
        tasks = [self._task(hosted) for hosted in self._node.tasks.known() if self._may(hosted)]
        return View(time.monotonic(), here, known, tasks, self._cost)

    def _cost(self, task: TaskView, node: NodeView) -> float:
        return self.costs.seconds(task.size, node.name)

    def _task(self, hosted: Hosted) -> TaskView:
        about = hosted.about
        return TaskView(
            hosted.id,
            about["name"],
            about.get("served", 0.0),
            about.get("size", 0),
            about.get("needs") or {},
            self._lifetimes.get(about["name"], (0, None))[1],
        )

    def _may(self, hosted: Hosted) -> bool:
        """Whether it is ours to move: it runs, and nobody has said where it is to be."""
        return (
            hosted.handoff.state is State.RUNNING
            and hosted.about.get("what", "task") == "task"
            and hosted.has_begun
            and hosted.id not in self._placing.laid
            and not hosted.about.get("stays")
            and not hosted.moving.locked()
        )

    def _grow_older(self) -> None:
        """Count the work that tasks have had since the last time: each an even share of the slots.

        It is what the policies call age, and travels with the task.
        """
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        share = min(1.0, self._placing.slots / max(self._placing.count, 1))
        before, self._names = self._names, {}
        for hosted in self._node.tasks.known():
            if hosted.is_running and hosted.has_begun:
                hosted.about["served"] = hosted.about.get("served", 0.0) + passed * share
                self._names[hosted.id] = hosted.about["name"]
        for task in before.keys() - self._names.keys():
            ended = self._node.tasks.get(task)
            if ended is not None and ended.handoff.state is State.ENDED:
                count, mean = self._lifetimes.get(before[task], (0, 0.0))
                count, work = count + 1, ended.about.get("served", 0.0)
                self._lifetimes[before[task]] = count, mean + (work - mean) / count

    # Carrying out -----------------------------------------------------------------------------

    async def _move(self, move: Move, decision: str) -> bool:
        """Whether the task has moved."""
        hosted = self._node.tasks[move.task]
        if move.only_if_better:
            self._placing.offering[move.task] = self._placing.view().slowdown()
        self.restraint.began(move)
        result, reason = "moved", move.why
        try:
            hop = await self._node.moves.move(
                move.task, move.to, _MOVE_SECONDS, "placement", _PATIENCE
            )
        except HetmigError as error:
            everywhere = not isinstance(error, (MigrationRefused, NodeUnreachable, Unauthorized))
            passing = isinstance(error, InMotion) or bool(error.data.get("busy"))
            self.restraint.refused(move, time.monotonic(), everywhere, passing)
            result, reason = "refused", type(error).__name__
        else:
            self.restraint.done(move, time.monotonic(), hop["freeze_s"])
        finally:
            self._placing.offering.pop(move.task, None)
        details = {"decision": decision, "to": move.to, "result": result, "reason": reason}
        happened("placed", move.task, hosted.handoff.epoch, **details)
        return result == "moved"

    async def _divide(self, divide: Divide) -> None:
        """Hand part of a loop to others."""
        hosted = self._node.tasks[divide.task]
        self.restraint.began(divide)
        result, reason = "divided", divide.why
        try:
            to = list(divide.to)
            await parts.divide_here(hosted, len(to) + 1, to, _PATIENCE)
        except HetmigError as error:
            self.restraint.refused(divide, time.monotonic())
            result, reason = "refused", type(error).__name__
        else:
            self.restraint.done(divide, time.monotonic())
        details = {"decision": "divide", "to": ", ".join(divide.to), "result": result}
        happened("placed", divide.task, hosted.handoff.epoch, **details, reason=reason)

    async def _ask(self, ask: Ask) -> None:
        """Ask a peer for a task."""
        node = self._node
        result, reason = "nothing", ask.why
        try:
            link = await node.directory.reach(ask.source, node.about())
            header = {**self._placing.describe(), "name": node.here["name"]}
            seconds = 3 * _MOVE_SECONDS
            answer = (await link.request(protocol.STEAL, header, timeout=seconds)).header
            if want(answer, "moved", bool):
                result = "moved"
        except HetmigError as error:
            result, reason = "refused", type(error).__name__
        if result == "moved":
            self.restraint.answered(ask)
            self._wake.set()
        else:
            self.restraint.refused(ask, time.monotonic())
        happened("placed", decision="ask", to=ask.source, result=result, reason=reason)


async def steal(node: Node, message: Message) -> tuple[dict[str, Any], Sequence[Buffer]]:
    """A node with nothing to do asks for a task: our own policy says which one it gets, if any."""
    name = want(message.header, "name", str)
    place = node.directory.places.get(name)
    if place is None or place["key"].encode() != message.user or node.directory.is_here(name):
        raise ProtocolError(f"{name!r} is not the name by which your node is known here")
    if node.placing.balancer is None or node.draining:
        return {"task": None, "moved": False}, ()
    task, moved = await node.placing.balancer.give(view_of(message.header, name))
    return {"task": task, "moved": moved}, ()


HANDLERS = {protocol.STEAL: steal}
