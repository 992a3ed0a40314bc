"""What a client knows of the homes of its tasks: who is silent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hetmig import homes
from hetmig.homes import Homes


def test_who_waits_for_a_silent_home_is_told_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(homes, "time", clock)
    link: Any = SimpleNamespace(endpoint="tcp://127.0.0.1:1", name="laptop")
    known = Homes(link, lambda certificate: link, {})
    known.heard("t")
    for clock.now in (0.0, 1.9):
        known.missed("t", 600.0)
    known.heard("t")  # a short while is not worth a word
    for clock.now in (10.0, 11.0):
        known.missed("t", 600.0)
    assert caplog.messages == []
    for clock.now in (12.0, 13.0):
        known.missed("t", 600.0)
        known.missed("another task there", 600.0)
    silence = "laptop (tcp://127.0.0.1:1) does not answer; it is waited for, 600 s at most"
    assert caplog.messages == [silence]
    known.heard("t")
    known.heard("another task there")
    assert caplog.messages[1:] == ["laptop (tcp://127.0.0.1:1) answers again"]
