"""Location policies against a small world: nodes that a task visits, some of which are killed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetmig.errors import HetmigError, InMotion, NodeUnreachable, NoSuchTask, NotHere
from hetmig.node.calls import Calls
from hetmig.node.journal import Journal
from hetmig.node.location import POLICIES, Known, Places, policy_named
from hetmig.node.messages import finding
from hetmig.node.messages.finding import Finding
from hetmig.node.messages.log import MessageLog
from hetmig.node.protocol import Message

NODES = 5
HOME = 0


def place(index: int) -> dict[str, Any]:
    return {"name": f"n{index}", "endpoint": f"tcp://127.0.0.1:{index + 1}", "key": "k"}


class World:
    """One task, at one of some nodes; requests are function calls."""

    def __init__(self, policy: str) -> None:
        self.at, self.epoch, self.alive = HOME, 1, set(range(NODES))
        self.nodes = [FakeNode(self, index) for index in range(NODES)]
        for node in self.nodes:
            node.finding = Finding(node, forward)  # type: ignore[arg-type]
            node.finding.policy = policy_named(policy)

    def move(self, to: int) -> None:
        left = self.nodes[self.at]
        self.at, self.epoch = to, self.epoch + 1
        left.hosted.forward, left.hosted.handoff.newest = place(to), self.epoch
        left.hosted.calls.left_at = 0.0

    def told(self, index: int, header: dict[str, Any]) -> tuple[dict[str, Any], None]:
        """What the node answers to a request."""
        header = {**header, "ways": header["ways"] + 1}
        if index == self.at:
            found = {"place": place(index), "epoch": self.epoch, "policy": None}
            return {"at": found, "ways": header["ways"] - 1}, None
        if header["ways"] > 16:
            raise InMotion("a circle")
        if index == HOME:  # it knows from the task's own reports
            return drive(forward(self.nodes[HOME], place(self.at), "send", header, None))
        node = self.nodes[index]
        return drive(node.finding.told(node.hosted, "send", header, None))


def fake_calls() -> Calls:
    return Calls(MessageLog(Journal(), "t"))


class FakeHandoff:
    newest = 0


class FakeHosted:
    def __init__(self) -> None:
        self.forward: dict[str, Any] | None = None
        self.handoff, self.calls, self.about = FakeHandoff(), fake_calls(), {"home": place(HOME)}


class FakeNode:
    """What `Finding` needs of a node, and its directory and links."""

    def __init__(self, world: World, index: int) -> None:
        self.world, self.index, self.here = world, index, place(index)
        self.hosted = FakeHosted()
        self.directory = self
        self.places = {place(i)["name"]: place(i) for i in range(NODES)}
        self.finding: Any = None

    def about_task(self, task: str) -> None: ...

    def about(self) -> dict[str, Any]:
        return {}

    def others(self) -> list[str]:
        return [name for name in self.places if name != self.here["name"]]

    def link(self, certificate: Any) -> Any:
        return FakeLink(self.world, int(certificate.name[1:]))

    async def acquaint(self, where: dict[str, Any], about: Any, timeout: float) -> Any:
        return FakeLink(self.world, int(where["name"][1:]))


class FakeLink:
    def __init__(self, world: World, index: int) -> None:
        self.world, self.index = world, index
        self.is_broken = False  # the worst case: nobody has noticed yet

    async def request(self, kind: str, header: dict[str, Any], timeout: float) -> Any:
        if self.index not in self.world.alive:
            raise NodeUnreachable("dead")
        if self.index != self.world.at:
            raise NotHere("not here")

        return Message("reply", {"epoch": self.world.epoch})


async def forward(
    node: Any, where: dict[str, Any], kind: str, header: dict[str, Any], parcel: Any
) -> Any:
    world, index = node.world, int(where["name"][1:])
    if index not in world.alive:
        raise NodeUnreachable("dead")
    return world.told(index, header)


def drive(work: Any) -> Any:
    """Run a coroutine that waits for nothing real, also within another one."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


def sent(world: World, index: int) -> dict[str, Any]:
    """A message from a node: to where the task is."""
    if index == world.at:
        return {"ways": 0}
    told = asyncio.run(asked(world, index))
    assert told["at"]["place"] == place(world.at)
    return told


async def asked(world: World, index: int) -> dict[str, Any]:
    node = world.nodes[index]
    header = {"task": "t", "home": place(HOME), "ways": 1}
    told: tuple[dict[str, Any], None] = await node.finding.told(node.hosted, "send", header, None)
    return told[0]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(0, NODES - 1)),
        st.tuples(st.just("send"), st.integers(1, NODES - 1)),
        st.tuples(st.just("kill"), st.integers(1, NODES - 1)),
        st.tuples(st.just("forget"), st.integers(1, NODES - 1)),
    ),
    max_size=30,
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_it_is_found_whoever_is_dead_and_the_second_message_goes_straight(
    policy: str, steps: list[tuple[str, int]]
) -> None:
    """Former hosts are killed or forget; the home node lives.  One detour per sender and move."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "FORWARD_SECONDS", float("inf"))
        world = World(policy)
        for what, index in steps:
            if what == "move" and index in world.alive and index != world.at:
                world.move(index)
            elif what == "kill" and index != world.at:
                world.alive.discard(index)
            elif what == "forget":
                world.nodes[index].hosted.calls.left_at = None
            elif what == "send" and index in world.alive and index != world.at:
                sent(world, index)
                again = sent(world, index)
                assert again["ways"] == 1
                assert not again["detour"]


def visits(world: World, index: int) -> int:
    return int(sent(world, index)["ways"])


def test_a_chain_is_followed_and_shortened() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "FORWARD_SECONDS", float("inf"))
        world = World("chain")
        world.move(1)
        assert visits(world, 4) == 2  # by its home
        for to in (2, 3):
            world.move(to)
        world.alive.discard(HOME)  # nobody needs it for this
        assert visits(world, 4) == 3  # 1, 2 and 3
        assert visits(world, 4) == 1
        known = world.nodes[1].finding.places.get("t")
        assert known is not None
        assert known.place == place(3)  # the chain is one link long now


def test_a_forwarding_address_is_not_kept_for_ever() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "FORWARD_SECONDS", 0.0)
        world = World("chain")
        world.move(1)
        visits(world, 4)
        world.move(2)
        told = sent(world, 4)
        assert (told["ways"], told["detour"]) == (2, True)  # node 1 knew nothing; by its home


def test_a_search_needs_no_home() -> None:
    world = World("search")
    for to in (1, 2, 3):
        world.move(to)
    world.alive -= {HOME, 1, 2}
    assert visits(world, 4) == 1


def test_a_task_has_a_policy_of_its_own() -> None:
    world = World("home")
    world.move(1)
    sender = world.nodes[4].finding
    sender.places.learn("t", Known(place(1), 2, "search"))
    world.move(2)
    world.alive.discard(HOME)
    assert visits(world, 4) == 1
    assert world.nodes[4].finding.detours == 1


def test_where_nothing_leads_anywhere() -> None:
    world = World("home")
    world.move(1)
    world.alive -= {HOME}
    with pytest.raises(NodeUnreachable):
        sent(world, 4)
    world.alive.add(HOME)

    async def at_home() -> None:
        await world.nodes[HOME].finding.told(
            None, "send", {"task": "u", "home": place(HOME), "ways": 1}, None
        )

    with pytest.raises(NoSuchTask):
        asyncio.run(at_home())


def test_what_is_learnt_is_bounded_and_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Places, "MOST", 3)
    places = Places()
    for number in range(5):
        places.learn(str(number), Known(place(1), 1))
    assert len(places) == 3
    assert places.get("0") is None
    places.learn("4", Known(place(2), 3))
    places.learn("4", Known(place(1), 2))
    assert places.get("4") == Known(place(2), 3)
    places.forget("4", place(1))
    assert places.get("4") is not None
    places.forget("4")
    assert places.get("4") is None


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(HetmigError, match="home, chain, search"):
        policy_named("guess")
