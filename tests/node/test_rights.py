"""What a key may do: by the kind of the message, and by whose task it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from hetmig.client import Nodes, Task
from hetmig.errors import HetmigError, NoSuchTask, ProtocolError, Unauthorized
from hetmig.messages import TaskRef
from hetmig.node import protocol, requests
from hetmig.node.caller import ADMIN, ALL, OBSERVE, RUN, SUBMIT, Caller, parse_rights
from hetmig.node.handoff import Note
from hetmig.node.keys import Identity, Keyring
from hetmig.node.partners import Partners
from hetmig.node.protocol import Message
from hetmig.node.rights import NEEDED, admit
from tests.node import actors, programs
from tests.node.apart import Apart, ask
from tests.node.messages import programs as mail

TIMEOUT = 60


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    nodes = Apart(tmp_path_factory.mktemp("keys"), "ab")
    yield nodes
    nodes.stop()


@pytest.fixture(scope="module")
def alice(apart: Apart) -> Iterator[Nodes]:
    with apart.connect(apart.user("alice", a="submit"), "a") as nodes:
        yield nodes


@pytest.fixture(scope="module")
def bob(apart: Apart) -> Iterator[Nodes]:
    with apart.connect(apart.user("bob", a="submit", b="submit"), "a") as nodes:
        yield nodes


@pytest.fixture(scope="module")
def eve(apart: Apart) -> Iterator[Nodes]:
    with apart.connect(apart.user("eve", a="observe"), "a") as nodes:
        yield nodes


@pytest.fixture(scope="module")
def root(apart: Apart) -> Iterator[Nodes]:
    with apart.connect(apart.user("root", a="admin", b="admin"), "a") as nodes:
        yield nodes


# The table ------------------------------------------------------------------------------------


def test_every_kind_that_a_node_takes_has_its_right() -> None:
    taken = {*requests.HANDLERS, *(note.value for note in Note), protocol.ACK}
    assert set(NEEDED) == taken
    for kind, needed in NEEDED.items():
        assert needed, kind
        assert needed <= ALL, kind


@pytest.mark.parametrize("kind", ["", "nonsense", "HELLO", protocol.REPLY, protocol.START, "*"])
def test_other_kinds_are_nobodys(tmp_path: Path, kind: str) -> None:
    ring = Keyring.create(tmp_path / "keys")
    with pytest.raises(ProtocolError, match="does not understand"):
        admit(Message(kind, {}, user=ring.identity.public), ring)


@pytest.mark.parametrize("right", sorted(ALL))
def test_each_kind_with_each_right_alone(apart: Apart, right: str) -> None:
    """By the wire: whoever lacks the right learns which; who has it gets another answer."""
    user = apart.user(f"only-{right}", a=right)
    with apart.raw(user, "a") as dealer:
        for kind, needed in NEEDED.items():
            if kind == protocol.SHUTDOWN and right == ADMIN:
                continue  # it would do it
            header = {"id": 1, "task": "x", "epoch": 1, "source": {}}
            payload = [b"x"] if kind == "offer" else []
            dealer.send_multipart([kind.encode(), json.dumps(header).encode(), *payload])
            about = {"id": 2, "protocol": protocol.VERSION, "role": "client"}
            told = ask(dealer, protocol.HELLO, about, until=2)
            errors = [header.get("error") or {} for _, header in told]
            refusals = [error for error in errors if error.get("type") == "Unauthorized"]
            assert len(refusals) == (right not in needed), (kind, told)
            for error in refusals:
                assert error["data"]["missing"] in needed
                assert f"--rights {right}," in error["message"] or right == error["data"]["missing"]
                assert user.identity.public.decode() in error["message"]


def test_a_key_without_any_right_is_not_let_in(tmp_path: Path) -> None:
    ring, other = Keyring.create(tmp_path / "keys"), Identity.generate().public
    with pytest.raises(Unauthorized, match="no longer"):
        admit(Message(protocol.HELLO, {}, user=other), ring)
    assert ring.rights(ring.identity.public) == ALL
    for user in (b"", b"None", b"\xff"):
        with pytest.raises(Unauthorized):
            admit(Message(protocol.TASKS, {}, user=user), ring)


def test_nobody_but_a_node_speaks_for_another(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path / "keys")
    keys = {right: Identity.generate().public for right in ALL}
    for right, key in keys.items():
        ring.add(key, right, rights=frozenset({right}))

    def caller(by: str, kind: str, user: str) -> Caller:
        message = Message(kind, {"as": keys[user].decode()}, user=keys[by])
        admit(message, ring)
        return message.caller

    for kind in (protocol.MOVE, protocol.CANCEL, protocol.GET, protocol.DELETE):
        assert caller(RUN, kind, SUBMIT).key == keys[SUBMIT].decode()
        assert caller(SUBMIT, kind, ADMIN).key == keys[SUBMIT].decode()
        assert caller(ADMIN, kind, SUBMIT).key == keys[ADMIN].decode()
    assert caller(RUN, protocol.DRAIN, ADMIN).rights == {ADMIN}
    for user in (SUBMIT, RUN, OBSERVE):
        with pytest.raises(Unauthorized, match="admin"):
            caller(RUN, protocol.DRAIN, user)
    for kind in (protocol.AUTHORIZE, protocol.SUBMIT, protocol.SHUTDOWN):
        with pytest.raises(Unauthorized):
            caller(RUN, kind, ADMIN)
    with pytest.raises(ProtocolError):
        admit(Message(protocol.MOVE, {"as": 3}, user=keys[RUN]), ring)


# Whose task -----------------------------------------------------------------------------------


def looping(nodes: Nodes, wait_for: Callable[[Task, str], str]) -> Task:
    task = nodes.submit(programs.loop_for_ever)
    wait_for(task, "pid")
    return task


def test_a_submitter_controls_its_own_tasks_wherever_they_are(
    alice: Nodes, wait_for: Callable[[Task, str], str]
) -> None:
    """The other node does not know alice: the home node vouches for her."""
    task = looping(alice, wait_for)
    assert task.migrate("b", timeout=20).destination == "b"
    assert [info.id for info in alice.tasks() if info.state == "running"] == [task.id]
    assert task.migrate("a", timeout=20).destination == "a"
    assert task.migrate("b", timeout=20).destination == "b"
    assert task.cancel()
    with pytest.raises(CancelledError):
        task.result(TIMEOUT)


def test_and_not_those_of_others(
    alice: Nodes, bob: Nodes, root: Nodes, wait_for: Callable[[Task, str], str]
) -> None:
    task = looping(alice, wait_for)
    assert task.id not in {info.id for info in bob.tasks()}
    for place in ("b", "a"):
        for attempt in (
            lambda: bob.move(task.id, "b"),
            lambda: bob._call(bob._connection.cancel(task.id)),
            lambda: bob.task(task.id),
        ):
            with pytest.raises(Unauthorized, match="another user's") as caught:
                attempt()
            assert caught.value.data["missing"] in (ADMIN, OBSERVE)
        root.move(task.id, place)
    root._call(root._connection.cancel(task.id))
    with pytest.raises(CancelledError):
        task.result(TIMEOUT)


def test_nor_at_the_node_where_they_are_guests(
    apart: Apart, alice: Nodes, root: Nodes, wait_for: Callable[[Task, str], str]
) -> None:
    task = looping(alice, wait_for)
    task.migrate("b", timeout=20)
    with apart.connect(Keyring.open(apart._directory / "bob"), "b") as bob_there:
        assert bob_there.tasks() == []
        with pytest.raises(Unauthorized, match="another user's"):
            bob_there.move(task.id, "a")
    with apart.connect(Keyring.open(apart._directory / "root"), "b") as root_there:
        assert [info.id for info in root_there.tasks()] == [task.id]
        root_there.move(task.id, "a")
    assert task.cancel()


def test_nobody_submits_in_the_place_of_another(alice: Nodes, bob: Nodes) -> None:
    ref = alice.put("hers")
    manifest = {**_frozen_object(bob, ref.id)}
    with pytest.raises(Unauthorized, match="another user's"):
        bob._call(bob._connection.submit(manifest, [b"his"]))
    assert alice.get(ref) == "hers"


def _frozen_object(nodes: Nodes, name: str) -> dict[str, object]:
    from hetmig.state.manifest import make_manifest

    return make_manifest("value", [], 1, {"id": name, "name": "str", "what": "object"})


def test_who_observes_sees_all_but_results(
    alice: Nodes, eve: Nodes, root: Nodes, wait_for: Callable[[Task, str], str]
) -> None:
    task = alice.submit(programs.identify)
    assert task.result(TIMEOUT) > 0
    seen = eve.task(task.id)
    assert wait_for(seen, "here I am")
    with pytest.raises(Unauthorized, match="its result is for the key that submitted it"):
        seen.result(TIMEOUT)
    assert {info.id for info in eve.tasks()} >= {task.id}
    assert root.task(task.id).result(TIMEOUT) == task.result()
    with pytest.raises(Unauthorized, match="submit"):
        eve.submit(programs.add, 1)
    with pytest.raises(Unauthorized, match="admin"):
        eve.drain("a")


def test_objects_and_actors_are_their_owners(alice: Nodes, bob: Nodes, root: Nodes) -> None:
    ref, actor = alice.put([1], at="b"), alice.spawn(actors.Ledger, "x", at="b")
    assert actor.call("read").result(TIMEOUT) == ["x"]
    assert alice.get(ref) == [1]
    for other in (bob.bind(ref), bob.bind(actor)):
        for attempt in (other.delete, lambda other=other: bob.move(other, "a"), other.where):
            with pytest.raises(Unauthorized):
                attempt()
    with pytest.raises(Unauthorized):
        bob.get(ref)
    with pytest.raises(Unauthorized):
        bob.bind(actor).call("read").result(TIMEOUT)
    assert root.get(ref) == [1]
    assert alice.bind(ref).move("a").destination == "a"
    alice.delete(ref)
    alice.delete(actor)


def test_a_task_asks_with_its_owners_rights(alice: Nodes, bob: Nodes) -> None:
    ref = alice.put("hers", at="b")
    assert alice.submit(actors.fetch, ref, "b").result(TIMEOUT)[0] == "hers"
    with pytest.raises(Unauthorized, match="another user's"):
        bob.submit(actors.fetch, ref, "b").result(TIMEOUT)


def test_messages_are_for_ones_own_tasks(alice: Nodes, bob: Nodes, eve: Nodes, root: Nodes) -> None:
    """Of a client and of its tasks; at its home, and where it is a guest."""
    task = alice.with_options(name="hers").submit(mail.serves)
    for place in ("b", "a"):
        task.migrate(place, timeout=TIMEOUT)
        theirs: Any = bob.bind(TaskRef(task.id, task.name, alice._home, None))
        for attempt in (theirs.send, theirs.request):
            with pytest.raises(Unauthorized):
                attempt("x", timeout=TIMEOUT)
        with pytest.raises(Unauthorized):
            bob.submit(mail.sends, theirs, [1]).result(TIMEOUT)
    with pytest.raises(NoSuchTask):
        bob.find("hers")  # nor does it hear that there is one
    seen: Any = eve.find("hers")
    with pytest.raises(Unauthorized, match="admin"):
        seen.send("x")
    found: Any = root.find("hers")
    assert found.request("by root", timeout=TIMEOUT)[0] == "by root"
    assert alice.submit(mail.sends, task, [None]).result(TIMEOUT) == 1
    assert task.result(TIMEOUT) == ["client"]


def test_drain_is_asked_with_the_rights_of_who_asks(
    alice: Nodes, root: Nodes, apart: Apart
) -> None:
    with pytest.raises(Unauthorized, match="admin"):
        alice.drain("b")
    local = apart.user("local", a="admin")
    with apart.connect(local, "a") as only_here, pytest.raises(Unauthorized, match="admin"):
        only_here.drain("b")  # b does not know that key, and a is only a node there
    assert all(not info.draining for info in root.nodes())


# Nodes ----------------------------------------------------------------------------------------


def test_a_key_that_is_no_node_is_offered_nothing(tmp_path: Path) -> None:
    nodes = Apart(tmp_path, "ab")
    try:
        user = nodes.user("user", a="submit")
        with nodes.connect(user, "a") as connection:
            nodes.rings["a"].add(nodes.rings["b"].identity.public, "b", rights=frozenset({SUBMIT}))
            ref = connection.put("here")
            with pytest.raises(HetmigError, match="lacks the right 'run'"):
                ref.move("b")
            nodes.rings["a"].add(nodes.rings["b"].identity.public, "b", rights=frozenset({RUN}))
            nodes.rings["b"].add(nodes.rings["a"].identity.public, "a", rights=frozenset({OBSERVE}))
            with pytest.raises(HetmigError, match="'run'"):
                ref.move("b")
            nodes.rings["b"].add(nodes.rings["a"].identity.public, "a", rights=frozenset({RUN}))
            assert ref.move("b").destination == "b"
            # Withdrawn while the connection between the two is open: neither answers the other.
            nodes.rings["b"].remove("a")
            with pytest.raises(HetmigError):
                ref.move("a", timeout=2)
    finally:
        nodes.stop()


def test_the_word_of_a_third_node_does_not_count() -> None:
    partners = Partners()
    source, destination, third = b"source", b"destination", b"third"

    def note(kind: Note, key: bytes, epoch: int = 2) -> None:
        partners.check(Message(kind.value, {"task": "t", "epoch": epoch}, user=key))

    note(Note.OFFER, source)
    note(Note.OFFER, source)
    for kind in (Note.OFFER, Note.COMMIT, Note.ABORT):
        with pytest.raises(Unauthorized, match="no part"):
            note(kind, third)
        note(kind, source)
    partners.chosen("t", destination)
    for kind in (Note.STAGED, Note.REFUSED, Note.OWNED, Note.LOST):
        note(kind, destination)
        with pytest.raises(Unauthorized, match="no part"):
            note(kind, third)


# Administration -------------------------------------------------------------------------------


def test_an_admin_gives_and_withdraws_rights(apart: Apart, root: Nodes) -> None:
    ring = Keyring.create(apart._directory / "new")
    with pytest.raises(Unauthorized):
        apart.connect(ring, "a")
    assert root.authorize(ring.identity.public, "new", "observe") == "a"
    with apart.connect(ring, "a") as nodes:
        assert nodes.tasks() is not None
        with pytest.raises(Unauthorized):
            nodes.authorize(ring.identity.public, "new", "all")
        root.authorize(ring.identity.public, "new", "submit")
        assert nodes.submit(programs.add, 1).result(TIMEOUT) == 2
        assert root.revoke("new") == "a"
        with pytest.raises(Unauthorized, match="no longer"):
            nodes.tasks()
    for wrong in ({"name": "../x"}, {"rights": "root"}, {"public": "short"}):
        arguments = {"public": ring.identity.public, "name": "n", "rights": "all", **wrong}
        with pytest.raises(HetmigError):
            root.authorize(**arguments)
    with pytest.raises(HetmigError, match="no key named"):
        root.revoke("nobody")


def test_what_waits_for_an_answer_is_told_nothing_after_it(apart: Apart, root: Nodes) -> None:
    """A long poll that began before the key was withdrawn."""
    ring = apart.user("leaving", a="submit,observe")
    with apart.connect(ring, "a") as nodes, apart.raw(ring, "a") as dealer:
        task = nodes.submit(programs.loop_for_ever)
        header = {"id": 1, "task": task.id, "after": 0, "version": 0, "seconds": 5.0}
        while not (told := ask(dealer, "follow", header, until=header["id"])[-1][1])["pieces"]:
            header.update(id=header["id"] + 1, version=told["version"])
        header.update(id=-1, after=1 << 62, version=told["version"])
        dealer.send_multipart([b"follow", protocol.encode("follow", header)[1]])
        # Answered after the node has begun with what was sent before it.
        assert [told["re"] for _, told in ask(dealer, "nodes", {"id": 0}, until=0)] == [0]
        apart.rings["a"].remove("leaving")
        root._call(root._connection.cancel(task.id))
        assert dealer.poll(30_000)
        kind, text = dealer.recv_multipart()
        assert kind == b"error"
        assert b"no longer" in text
        assert json.loads(text)["re"] == -1


def test_an_admin_ends_a_node(tmp_path: Path) -> None:
    nodes = Apart(tmp_path, "a")
    user, admin = nodes.user("user", a="submit"), nodes.user("admin", a="admin")
    with nodes.connect(user, "a") as connection, pytest.raises(Unauthorized):
        connection.shutdown()
    with nodes.connect(admin, "a") as connection:
        assert connection.shutdown() == "a"
    nodes.nodes["a"]._process.wait(TIMEOUT)
    nodes.stop()


# Files ----------------------------------------------------------------------------------------


def test_a_file_without_rights_gives_all(tmp_path: Path) -> None:
    """As those do that were written before there were rights."""
    ring, key = Keyring.create(tmp_path / "keys"), Identity.generate().public
    file = ring.add(key, "old")
    text = file.read_text()
    file.write_text("\n".join(line for line in text.splitlines() if "rights" not in line))
    assert ring.rights(key) == ALL
    ring.add(key, "old", rights=frozenset({OBSERVE}))
    assert ring.rights(key) == {OBSERVE}
    ring.add(key, "another", rights=frozenset({SUBMIT}))
    assert ring.rights(key) == {OBSERVE, SUBMIT}
    assert not ring.is_node(key)


@pytest.mark.parametrize("text", ["", "garbage", 'rights = "root"\npublic-key = "{key}"'])
def test_a_file_that_is_not_in_order_authorizes_nobody_and_harms_nobody(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    ring, good, bad = Keyring.create(tmp_path / "keys"), Identity.generate(), Identity.generate()
    ring.add(good.public, "good")
    broken = ring.directory / "authorized" / "broken.key"
    broken.write_text(text.replace("{key}", bad.public.decode()))
    assert ring.is_authorized(good.public)
    assert not ring.is_authorized(bad.public)
    assert "authorizes nobody" in caplog.text


def test_the_words_for_rights() -> None:
    assert parse_rights("all") == ALL
    assert parse_rights(" submit, observe,") == {SUBMIT, OBSERVE}
    for text in ("", ",", "root", "submit root", "submit,all"):
        with pytest.raises(HetmigError, match="no list of rights"):
            parse_rights(text)


def test_rotation_has_an_overlap(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path / "keys")
    old = ring.identity
    with pytest.raises(HetmigError, match="--begin"):
        ring.finish_rotation()
    following = ring.prepare_rotation()
    assert ring.prepare_rotation() == following != old
    assert (ring.directory / "next.key_secret").stat().st_mode & 0o77 == 0
    assert following.public.decode() in ring.export("box")
    assert old.public.decode() not in ring.export("box")
    assert ring.rights(old.public) == ring.rights(following.public) == ALL
    ring.finish_rotation()
    assert Keyring.open(ring.directory).identity == following
    assert (ring.directory / "self.key_secret").stat().st_mode & 0o77 == 0
    assert ring.rights(old.public) == ring.rights(following.public) == ALL
    ring.remove("self.previous")
    assert not Keyring.open(ring.directory).is_authorized(old.public)
    assert old.secret.decode() not in "".join(
        file.read_text() for file in ring.directory.rglob("*.key*")
    )
