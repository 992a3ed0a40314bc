"""`hetmig demo` from beginning to end, on fewer files, and what it does about a wrong result."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from hetmig.cli import main
from hetmig.demo import run
from hetmig.demo.show import Lines, Live, hop_sentence, journey_table, machine, show_on
from hetmig.journey import Hop
from tests.interpreters import RUNNING

PYTHON = {"version": "3.11.7", "machine": "x86_64", "byteorder": "little", "bits": 64}
HOP = Hop(
    task="t",
    epoch=2,
    source="one",
    destination="two",
    requested_by="client",
    start_time=100.5,
    freeze_s=0.0123,
    wait_s=0.001,
    bytes=1_234_567,
    frames=3,
    function="scan",
    file="/x/y/hetmig/demo/job.py",
    line=7,
    source_python=PYTHON,
    destination_python={**PYTHON, "machine": "s390x", "byteorder": "big"},
)


def printed(*things: object) -> str:
    out = io.StringIO()
    console = Console(file=out, width=120, color_system=None)
    for thing in things:
        console.print(thing)
    return out.getvalue()


def test_it_moves_three_times_and_draws_the_journey(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, parcels = tmp_path / "journey.svg", tmp_path / "parcels"
    options = ["--plot", str(picture), "--keep-parcels", str(parcels)]
    assert main(["demo", "--files", "400", *options]) == 0
    shown = capsys.readouterr().out
    assert "1. one → two (from outside): frozen" in shown
    assert "2. two → one (from outside): frozen" in shown
    assert "3. one → two (by the task itself): frozen" in shown
    assert "400 of 400 files" in shown
    assert "The same result as the run that did not move" in shown
    text = " ".join(ElementTree.fromstring(picture.read_text()).itertext())
    assert text.count("frozen") == 3
    assert len(kept := sorted(parcels.iterdir())) == 3
    assert main(["inspect", str(kept[0])]) == 0
    shown = capsys.readouterr().out
    for text in ("a frozen task", "#1 index_library", "unread", "fingerprint", "deque"):
        assert text in shown


@pytest.mark.foreign
@pytest.mark.slow
def test_the_second_node_may_be_another_computer(
    foreign: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    python = foreign("s390x")
    assert main(["demo", "--files", "400", "--target", str(python)]) == 0
    shown = capsys.readouterr().out
    assert "s390x, big endian" in shown
    assert "3. one → two" in shown
    assert "The same result" in shown


@pytest.mark.slow
def test_the_second_node_may_be_another_version_of_python(
    foreign: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    version = "3.14" if RUNNING < "3.14" else "3.11"
    foreign(version)
    assert main(["demo", "--files", "400", "--target", version]) == 0
    shown = capsys.readouterr().out
    assert f"CPython {version}." in shown
    assert "3. one → two" in shown
    assert "The same result" in shown


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("vax", "no target 'vax'; there is: "),
        ("/no/such/python", "there is no Python at /no/such/python"),
    ],
)
def test_a_target_that_cannot_be(
    target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--target", target]) == 2
    assert message in capsys.readouterr().err


def test_another_result_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index = {
        "files": 1,
        "lines": 2,
        "words": 3,
        "different words": 3,
        "longest functions": [[9, "f (a.py:1)"]],
        "most imported": [[1, "os"]],
        "checksum": "0123",
    }
    outcome = run.Outcome(index, {**index, "words": 4}, 2.0, 1.0, 100.0, [HOP])
    monkeypatch.setattr(run, "_run", lambda *_: outcome)
    assert main(["demo", "--files", "1"]) == 1
    assert "words: 3, not 4" in capsys.readouterr().out


def test_the_picture_has_the_stays_and_the_machines() -> None:
    index = {"files": 12}
    picture = run.picture(run.Outcome(index, index, 3.0, 2.0, 100.0, [HOP]))
    assert picture.lanes == [
        ("one", "CPython 3.11.7, x86_64"),
        ("two", "CPython 3.11.7, s390x, big endian"),
    ]
    (move,) = picture.moves
    assert (move.start, move.freeze) == (0.5, 0.0123)
    assert picture.comparison == ("without moving", 2.0)


def test_a_hop_in_words() -> None:
    assert printed(hop_sentence(1, HOP)) == (
        "  1. one → two (from outside):"
        " frozen 12.3 ms, 1.23 MB, 3 frames, at scan (demo/job.py:7)\n"
    )
    table = printed(journey_table([HOP]))
    for text in ("one", "two", "outside", "12.3 ms", "1.23 MB", "scan (demo/job.py:7)"):
        assert text in table
    assert machine({**PYTHON, "bits": 32}) == "CPython 3.11.7, x86_64, 32-bit"


def test_a_pipe_gets_lines_and_a_terminal_a_bar() -> None:
    out = io.StringIO()
    with show_on(Console(file=out, width=120), ["one", "two"]) as show:
        assert isinstance(show, Lines)
        for done in range(1, 101):
            show.update(done, 100, "a.py", "one" if done < 55 else "two")
        show.hop(1, HOP)
    lines = out.getvalue().splitlines()
    assert len(lines) == 13  # each tenth, the beginning, the new node, the move
    terminal = io.StringIO()
    with show_on(Console(file=terminal, width=120, force_terminal=True), ["one", "two"]) as show:
        assert isinstance(show, Live)
        show.update(50, 100, "a.py", "two")
        show.hop(1, HOP)
    assert "one → two" in terminal.getvalue()
    assert "50/100" in terminal.getvalue()


def test_the_plain_run_says_what_the_function_says() -> None:
    from hetmig.demo.corpus import standard_library
    from hetmig.demo.job import index_library
    from hetmig.demo.plain import PlainRun

    library = standard_library(3)
    result, seconds = PlainRun(library).result()
    assert result == json.loads(json.dumps(index_library(library)))
    assert seconds > 0
