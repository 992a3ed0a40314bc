"""`hetmig doctor` tells the truth about this interpreter."""

import json

import pytest
import zmq

from hetmig.cli import main
from hetmig.commands import doctor
from hetmig.commands.refusals import try_refusals
from hetmig.interpreter import proof


@pytest.fixture(autouse=True)
def own_keys(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_all_is_well_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "proven on known frames" in shown
    assert "with CURVE" in shown
    assert "can run tasks" in shown


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert {finding["name"] for finding in report["findings"]} >= {"interpreter", "ZeroMQ", "keys"}
    assert report["refused"] == try_refusals()


def test_an_unproven_interpreter_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unproven = proof.LayoutReport(False, "local variables are not where they should be")
    monkeypatch.setattr(proof, "self_check", lambda: unproven)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "local variables are not where they should be" in shown
    assert "can't take part" in shown


def test_zeromq_without_curve_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(zmq, "has", lambda _: False)
    assert main(["doctor"]) == 1
    assert "without CURVE" in capsys.readouterr().out


def test_old_and_missing_dependencies_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["bytecode>=999", "no-such-thing>=1.0", "pyzmq>=1", 'pytest>=8; extra == "test"']
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda _: wanted)
    states = {finding.name: finding for finding in doctor.examine()}
    assert states["bytecode"].state == "bad"
    assert "999 or newer is needed" in states["bytecode"].detail
    assert states["no-such-thing"].state == "bad"
    assert states["pyzmq"].state == "ok"
    assert "pytest" not in states


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("inside sorted(key=f)", "sorted"),
        ("inside sum(generator)", "sum"),
        ("an open file", "file"),
        ("a socket", "socket"),
        ("a running thread", "hread"),
    ],
)
def test_refusals_are_tried_and_name_what_is_in_the_way(what: str, words: str) -> None:
    assert words in try_refusals()[what]
