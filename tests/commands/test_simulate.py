"""`hetmig simulate`: the table, the JSON, and what it refuses."""

import json
import re
from pathlib import Path

import pytest

from hetmig.cli import main

FEW = ["--tasks", "400", "--nodes", "5"]


def test_a_table_of_the_usual_policies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *FEW, "--seeds", "2"]) == 0
    heads, *rows = capsys.readouterr().out.splitlines()
    assert heads.split()[:2] == ["POLICY", "DELAY"]
    assert [row.split()[0] for row in rows] == ["none", "place", "age"]
    assert all(re.search(r" \d\.\d{4} s +\d\.\d{4} to \d\.\d{4} ", row) for row in rows)
    assert all(row.split()[-1] == "800" for row in rows)


def test_the_same_each_time_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for _ in range(2):
        assert main(["simulate", *FEW, "--policy", "age:pull=true", "--json", "--skew", "0.5"]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] == shown[1]
    (found,) = shown[0]["policies"].values()
    assert found["tasks"] == 1200
    assert found["moves"] > 0
    assert found["delay_low_s"] < found["delay_s"] < found["delay_high_s"]


def test_of_a_file_and_with_restraint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("time,node,lifetime\n" + "".join(f"{n},0,30\n" for n in range(6)))
    options = ["--trace", str(trace), "--nodes", "3", "--policy", "age", "--json"]
    assert main(["simulate", *options, "--restrained"]) == 0
    found = json.loads(capsys.readouterr().out)["policies"]["age"]
    assert (found["tasks"], found["delay_low_s"]) == (6, None)
    assert 4 <= found["moves"] <= 6


def test_what_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *FEW, "--policy", "magic"]) == 1
    assert "choose one of none, place" in capsys.readouterr().err
    assert main(["simulate", "--trace", str(tmp_path / "none.csv")]) == 1
    assert main(["simulate", *FEW, "--skew", "2"]) == 1
    with pytest.raises(SystemExit):
        main(["simulate", "--nodes", "0"])
