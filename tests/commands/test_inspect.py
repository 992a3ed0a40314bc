"""`hetmig inspect` reads manifests, and only manifests."""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

import hetmig
from hetmig.cli import main
from hetmig.node.checkpoint_keys import own_secret
from hetmig.state import parcel
from hetmig.state.checkpoint import derived, seal_checkpoint
from hetmig.state.manifest import make_manifest

KEY = bytes(range(32))
FRAME = {
    "function": "outer.<locals>.count",
    "file": "/somewhere/else/job.py",
    "line": 17,
    "offset": 48,
    "resume": "again",
    "variables": [{"name": "total", "type": "dict", "bytes": 1234}],
    "stack": [{"type": "list_iterator", "bytes": 77}],
}


def write(path: Path, frames: list[Any]) -> Path:
    manifest = make_manifest("frames", frames, 1, {"id": "1f", "name": "job", "hops": 2})
    # The payload is no pickle at all: whoever tries to load it fails.
    parcel.write_file(path, parcel.seal(manifest, [b"\xff" * 2000], KEY))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "job.parcel", [FRAME])


def test_shows_frames_lines_variables_and_sizes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(file)]) == 0
    shown = capsys.readouterr().out
    for text in (
        "a frozen task",
        "outer.<locals>.count",
        "/somewhere/else/job.py:17",
        "executes again the instruction at 48",
        "total",
        "1.23 kB",
        "(stack 0)",
        "list_iterator",
        "task 1f (job), hop 2",
        "not checked",
    ):
        assert text in shown


def test_json_is_the_whole_manifest(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--json", str(file)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["manifest"]["frames"] == [FRAME]
    assert shown["buffers"] == [2000]
    assert shown["authenticated"] is False


def test_with_the_key_the_code_is_checked(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY)
    assert main(["inspect", str(file), "--key", str(key)]) == 0
    assert "authentication code checked" in capsys.readouterr().out
    key.write_bytes(KEY[::-1])
    assert main(["inspect", str(file), "--key", str(key)]) == 4
    assert "authentication code is wrong" in capsys.readouterr().err


def test_what_is_no_parcel_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("hello")
    assert main(["inspect", str(tmp_path / "text")]) == 4
    assert capsys.readouterr().err == "hetmig: this is not a hetmig parcel\n"
    assert main(["inspect", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err.endswith("missing: No such file or directory\n")


def test_a_manifest_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nasty = dict(FRAME, function="\x1b[2J[red]evil")
    assert main(["inspect", str(write(tmp_path / "nasty", [nasty]))]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]evil" in shown


@pytest.mark.parametrize("frame", [dict(FRAME, line="many"), dict(FRAME, variables=[7])])
def test_a_manifest_of_another_form_is_refused(
    frame: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(write(tmp_path / "odd", [frame]))]) == 4
    assert "not of the form" in capsys.readouterr().err


def test_a_value_of_dumps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its manifest says no more than what is checked before it is unpickled."""
    (tmp_path / "value").write_bytes(hetmig.dumps([1, 2, 3]))
    assert main(["inspect", str(tmp_path / "value")]) == 0
    shown = capsys.readouterr().out
    assert ": a value, " in shown
    assert f"made by {sys.implementation.name} {platform.python_version()}\n" in shown
    assert "for every version of Python" in shown
    assert "Payload: 1 buffer" in shown
    assert "None" not in shown


def test_a_checkpoint_is_shown_and_checked_with_our_own_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = own_secret(tmp_path)
    manifest = make_manifest("frames", [FRAME], 1, {"id": "1f", "name": "job", "hops": 2})
    about = {"series": "1f", "epoch": 1, "number": 7, "time": 0.0, "node": "arm-box"}
    wire = seal_checkpoint(manifest, [b"\xff"], derived(secret, "1f"), about, [("stdout", b"a")])
    file = tmp_path / "1f.000001.000007.checkpoint"
    parcel.write_file(file, wire)
    assert main(["inspect", "--keys", str(tmp_path), str(file)]) == 0
    shown = capsys.readouterr().out
    assert "checkpoint 7 of 1f, epoch 1, taken 19" in shown
    assert "on arm-box" in shown
    assert "with output that nobody had confirmed: 1 B" in shown
    assert "authentication code checked" in shown
    (tmp_path / "other").mkdir()
    assert main(["inspect", "--keys", str(tmp_path / "other"), str(file)]) == 0
    assert "authentication code not checked" in capsys.readouterr().out
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert main(["inspect", "--keys", str(tmp_path), str(file)]) == 4
