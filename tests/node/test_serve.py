"""How a node begins: its name, and whom it joins."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from hetmig.errors import HetmigError, NodeUnreachable
from hetmig.node import serve
from tests.node.test_hosted import in_a_loop


class Others:
    """A directory whose other node answers as it is told."""

    def __init__(self, *errors: HetmigError | None) -> None:
        self._errors = list(errors)
        self.node: Any = SimpleNamespace(directory=self, about=dict)

    async def join(self, endpoint: str, about: dict[str, Any]) -> None:
        error = self._errors.pop(0)
        if error is not None:
            raise error


@in_a_loop
async def test_a_node_that_is_started_later_is_joined_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "_JOIN_SECONDS", 0.0)
    silent = NodeUnreachable("no answer")
    others = Others(silent, silent, silent, None)
    assert await serve._join(others.node, "tcp://127.0.0.1:1")
    assert others._errors == []
    assert caplog.text.count("could not join tcp://127.0.0.1:1 yet, it is tried again") == 1


@in_a_loop
async def test_a_node_that_is_started_anew_is_joined_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "_JOIN_SECONDS", 0.0)
    monkeypatch.setattr(serve, "_GREET_SECONDS", 0.0)
    silent = NodeUnreachable("no answer")
    others = Others(None, None, silent, silent, None, HetmigError("another key"), None)
    await serve._stay_joined(others.node, "tcp://127.0.0.1:1")
    assert others._errors == [None]
    assert caplog.text.count("it is tried again") == 1
    assert caplog.text.count("another key") == 1


@in_a_loop
async def test_one_that_refuses_is_not_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    others = Others(HetmigError("the same name"), None)
    await serve._join(others.node, "tcp://127.0.0.1:1")
    assert len(others._errors) == 1
    assert "could not join tcp://127.0.0.1:1: the same name" in caplog.text


def test_each_node_of_a_machine_has_a_name_of_its_own() -> None:
    host = socket.gethostname()
    assert serve.default_name("tcp://127.0.0.1:7717") == host
    assert serve.default_name("tcp://127.0.0.1:7718") == f"{host}-7718"
    assert serve.default_name("tcp://127.0.0.1:0") == f"{host}-{os.getpid()}"
