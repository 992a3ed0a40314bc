"""What a node writes to its log, with everything on: no keys, no payloads."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hetmig.client import Nodes
from hetmig.errors import HetmigError, Unauthorized
from hetmig.node.caller import OBSERVE
from hetmig.node.keys import Keyring
from tests.interpreters import ROOT
from tests.node import actors, attacks, programs
from tests.node.apart import Apart

TIMEOUT = 60
MARK = "a-thing-that-nobody-else-may-read"
_KEY = re.compile(r"(?<!\S)\S{40}(?!\S)")


class _Started:
    """`hetmig node --verbose`, in the place of the node of an `Apart`."""

    def __init__(self, keys: Path, log: Path, form: str) -> None:
        command = [
            sys.executable,
            "-m",
            "hetmig",
            "node",
            "--verbose",
            "--name",
            "a",
            "--log",
            form,
        ]
        command += ["--listen", "tcp://127.0.0.1:0", "--keys", str(keys)]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=file, text=True
            )
        assert self._process.stdout is not None
        found = re.search(r"listens on (\S+?)[;,]", self._process.stdout.readline())
        assert found, log.read_text()
        self.endpoint = found[1]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=TIMEOUT)


@pytest.fixture(params=["text", "json"])
def apart(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Apart]:
    nodes = Apart(tmp_path / "keys", "")
    nodes.rings["a"] = Keyring.create(tmp_path / "keys" / "a")
    started = _Started(tmp_path / "keys" / "a", tmp_path / "log", request.param)
    nodes.nodes["a"] = started  # type: ignore[assignment]
    yield nodes
    nodes.stop()


def test_no_secrets_in_the_log(apart: Apart, tmp_path: Path) -> None:
    user = apart.user("user", a="all")
    sessions = []
    with apart.connect(user, "a") as nodes:
        sessions.append(nodes._connection.link.peer["session"])
        _a_session(nodes)
        # What goes wrong is written down more readily.
        for attack in (
            attacks.null_mechanism,
            attacks.unknown_key,
            attacks.heads_that_are_none,
            attacks.fields_of_every_type,
            attacks.only_an_observer,
        ):
            attack(apart, user)
        watcher = apart.user("watcher", a=OBSERVE)
        with apart.connect(watcher, "a") as seen:
            sessions.append(seen._connection.link.peer["session"])
            with pytest.raises(Unauthorized):
                seen.submit(programs.add, MARK)
        (apart.rings["a"].directory / "authorized" / "broken.key").write_text(MARK)
        with apart.connect(user, "a") as again:
            assert again.tasks()
        assert nodes.revoke("watcher") == "a"
    apart.nodes["a"].stop()
    log = (tmp_path / "log").read_text()
    rings = [*apart.rings.values(), user, watcher]
    assert user.identity.public.decode() in log, "nothing was logged, so this proves nothing"
    for ring in rings:
        assert ring.identity.secret.decode() not in log
    for session in sessions:
        assert session not in log
        assert bytes.fromhex(session).decode("latin-1") not in log
    assert MARK not in log
    public = {ring.identity.public.decode() for ring in rings}
    assert set(_KEY.findall(log)) <= public
    assert not re.search(r"\b[0-9a-f]{32,}\b", log)


def _a_session(nodes: Nodes) -> None:
    assert nodes.submit(programs.add, MARK, MARK).result(TIMEOUT) == MARK * 2
    assert nodes.get(nodes.put([MARK])) == [MARK]
    actor = nodes.spawn(actors.Ledger, MARK)
    assert actor.call("read").result(TIMEOUT) == [MARK]
    nodes.delete(actor)
    with pytest.raises(ValueError, match=MARK):
        nodes.submit(programs.fail, MARK).result(TIMEOUT)
    with pytest.raises(TypeError):
        nodes.submit(programs.crash, MARK).result(TIMEOUT)
    with pytest.raises(HetmigError):
        nodes.move(nodes.submit(programs.read_later, MARK).id, "nowhere", 1.0)
