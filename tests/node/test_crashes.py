"""Nodes are killed at every step of a handoff, and started again: nothing is lost, nor runs twice.

    python -m pytest -m "nightly or not nightly" tests/node/test_crashes.py

kills every node at every step; `HETMIG_KILLS=1000` sets how many random kills there are besides.
"""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from hetmig.client import connect
from hetmig.errors import ActorLost, HetmigError, JournalError
from hetmig.node.embedded import LocalNodes
from hetmig.node.journal import Journal
from hetmig.node.steps import STEPS
from tests.node import actors
from tests.node.crashes import NAMES, TIMEOUT, Stage, stage
from tests.node.ledgers import work

SOURCE = [
    "freeze", "frozen", "encoded", "offer", "record/committed", "recorded/committed", "commit",
    "receive/owned", "record/gone", "recorded/gone", "depart", "gone",
]  # fmt: skip
"""What is quick is committed with the offer, and that is on record since before the freeze."""
DESTINATION = [
    "receive/offer", "verified", "staging", "image-written", "record", "recorded",
    "receive/commit", "run", "record/running", "recorded/running", "owned",
]  # fmt: skip
SLOW_SOURCE = [
    "record/running*2", "recorded/running*2", "receive/offer-verified", "record/committed*2",
    "commit",
]  # fmt: skip
"""What can't be stopped at once is committed when it is verified: no promise lasts as long.  A node
that comes back records a task as running, too, and what is taken back was recorded before."""
SLOW_DESTINATION = ["record/kept", "recorded/kept", "confirmed", "receive/commit", "run"]
HEAVY_SOURCE = [
    "record/frozen", "recorded/frozen", "receive/offer-staged", "record/committed*2", "commit",
]  # fmt: skip
"""What is heavy is committed only when it is staged; that it is, is seen when it is sealed."""
HEAVY_DESTINATION = [
    "verified", "image-written", "record/kept", "recorded/kept", "staged", "receive/commit", "run",
    "record/running",
]  # fmt: skip
BOTH = [
    (("source", "commit"), ("destination", "receive/commit")),
    (("destination", "staging"), ("source", "receive/lost")),
    (("source", "recorded/committed"), ("destination", "receive/commit")),
    (("destination", "owned"), ("source", "receive/owned")),
]
"""The second one dies after the first one is back."""
SLOW_BOTH = [(("destination", "confirmed"), ("source", "record/committed*2"))]
HEAVY_BOTH = [(("destination", "staged"), ("source", "record/committed*2"))]
OFTEN = {"record/committed", "commit", "depart", "staging", "run", "owned"}
SLOW_OFTEN = {"confirmed", "record/running*2"}
HEAVY_OFTEN = {"staged", "record/frozen"}
"""Around the points of decision: looked at in each run."""

KILLS = int(os.environ.get("HETMIG_KILLS", "3"))


def cases() -> list[object]:
    quick = {"source": SOURCE, "destination": DESTINATION}
    slow = {"source": SLOW_SOURCE, "destination": SLOW_DESTINATION}
    heavy = {"source": HEAVY_SOURCE, "destination": HEAVY_DESTINATION}
    return [
        *_cases("quick", quick, BOTH, OFTEN),
        *_cases("slow", slow, SLOW_BOTH, SLOW_OFTEN),
        *_cases("heavy", heavy, HEAVY_BOTH, HEAVY_OFTEN),
    ]


def _cases(
    kind: str,
    alone: dict[str, list[str]],
    both: list[tuple[tuple[str, str], tuple[str, str]]],
    often: set[str],
) -> list[object]:
    deaths = [[(role, death)] for role, found in alone.items() for death in found]
    found = []
    for case in [*deaths, *map(list, both)]:
        name = "-".join([kind, *(part for death in case for part in death)])
        marks = () if len(case) == 1 and case[0][1] in often else (pytest.mark.nightly,)
        found.append(pytest.param(case, kind, id=name, marks=marks))
    return found


def test_every_step_is_among_the_cases() -> None:
    named = SOURCE + DESTINATION + SLOW_DESTINATION + HEAVY_SOURCE + HEAVY_DESTINATION
    assert {case.partition("/")[0] for case in named} == set(STEPS)


@pytest.mark.parametrize(("deaths", "kind"), cases())
def test_killed_at_a_step(deaths: list[tuple[str, str]], kind: str, tmp_path: Path) -> None:
    with stage(tmp_path) as scene:
        armed = dict(deaths)
        if "destination" in armed:
            scene.arm("destination", armed["destination"])
        scene.begin(kind)
        if "source" in armed:
            scene.arm("source", armed["source"])
        scene.move_and_die(list(armed))
        scene.move_home()
        scene.end()
        assert scene.task.state == "done"
        assert scene.task.journey()[-1].destination == "home"


def test_the_home_node_is_killed_and_still_knows_everything(tmp_path: Path) -> None:
    """The task runs elsewhere meanwhile; its submitter's future survives as well."""
    with stage(tmp_path) as scene:
        scene.begin()
        before = scene.task.journey()
        scene.node("home").kill()
        scene.restart("home")
        assert scene.end() == 0
        assert scene.task.journey() == before


def test_a_node_that_is_back_takes_back_what_it_has_had(tmp_path: Path) -> None:
    with stage(tmp_path) as scene:
        scene.begin()
        scene.node("home").kill()
        scene.restart("home")
        assert scene.task.migrate("home", timeout=30).destination == "home"
        assert scene.end() == 0


def test_a_result_outlives_its_home_node(tmp_path: Path) -> None:
    with stage(tmp_path) as scene:
        scene.begin()
        scene.end()
        scene.node("home").kill()
        scene.restart("home")
        with connect(scene.node("home"), keys=scene.nodes.keys, echo=False) as again:
            assert again.task(scene.task.id).result(TIMEOUT) == scene.task.result()


def test_all_nodes_are_killed_at_once(tmp_path: Path) -> None:
    with stage(tmp_path) as scene:
        scene.begin()
        for name in NAMES:
            scene.node(name).kill()
        for name in NAMES:
            scene.restart(name)
        scene.end()


def test_an_actor_is_not_taken_back_to_before_its_calls(tmp_path: Path) -> None:
    """A node with a journal could restart it as it arrived, but it has answered calls since."""
    with stage(tmp_path) as scene:
        nodes = scene.connection
        ledger = nodes.spawn(actors.Ledger, "first", at="destination")
        assert ledger.write("second").result(TIMEOUT) == 2
        kept = nodes.put([1, 2, 3], at="destination")
        scene.node("destination").kill()
        scene.restart("destination")
        with pytest.raises(ActorLost, match="its node was killed"):
            ledger.read().result(TIMEOUT)
        assert nodes.get(kept) == [1, 2, 3]


def random_kills(scene: Stage, chance: random.Random, kills: int) -> None:
    """While the task moves to and fro, nodes die at any time."""
    done = threading.Event()

    def commute() -> None:
        while not done.is_set():
            for name in ("source", "destination"):
                try:
                    scene.connection.move(scene.task.id, name, 5)
                except HetmigError:
                    done.wait(0.02)

    commuting = threading.Thread(target=commute)
    commuting.start()
    try:
        for _ in range(kills):
            done.wait(chance.uniform(0, 0.3))
            name = chance.choice(NAMES)
            scene.node(name).kill()
            scene.restart(name)
    finally:
        done.set()
        commuting.join()


@pytest.mark.timeout(300 + 20 * KILLS)
def test_random_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("HETMIG_KILLS_SEED", "1"))
    print(f"HETMIG_KILLS={KILLS} HETMIG_KILLS_SEED={seed}")
    with stage(tmp_path) as scene:
        scene.begin()
        random_kills(scene, random.Random(seed), KILLS)
        scene.end()


def test_two_nodes_can_not_share_a_journal(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    with pytest.raises(JournalError, match="another node uses"):
        Journal(tmp_path)
    first.close()
    Journal(tmp_path).close()


def test_without_a_journal_a_killed_node_loses_its_tasks(tmp_path: Path) -> None:
    """And its home node, which asks it when it is back, says so."""
    with LocalNodes(2) as nodes, connect(nodes[0], keys=nodes.keys, echo=False) as connection:
        go = tmp_path / "go"
        task = connection.submit(work, str(tmp_path / "ledger"), str(go), 5)
        task.migrate("b")
        nodes[1].kill()
        nodes[1].start()
        nodes[1].wait_until_ready()
        nodes[1].introduce([node.place for node in nodes.nodes])
        with pytest.raises(HetmigError, match="does not know"):
            task.result(TIMEOUT)
