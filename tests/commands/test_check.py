"""`hetmig check` says which safe points cross to other versions, and which don't."""

import json

import pytest

from hetmig.cli import main
from tests.interpreters import RUNNING, target

PROGRAM = """\
def work(items):
    for item in items:
        with item.opened() as file:
            file.read(item.size())
    return total(items)

def total(items):
    return sum([item.size() for item in items])

class Job:
    def run(self):
        yield self.step()
"""
OLD, NEW = "3.11", "3.13"
OTHER = NEW if RUNNING != NEW else OLD


@pytest.fixture
def program(tmp_path):
    target(OTHER)
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return str(path)


def test_all_of_a_function_crosses(program, capsys):
    assert main(["check", f"{program}:work", "--for", OTHER]) == 0
    shown = capsys.readouterr().out
    assert "crosses     3  entering with: with item.opened() as file:" in shown
    assert "crosses     4  call: file.read(item.size())" in shown
    assert "crosses     2  loop: for item in items:" in shown
    assert f"to {OTHER}: " in shown
    assert "(100.0 %)" in shown
    assert "stays" not in shown


def test_a_comprehension_does_not_cross_from_or_to_the_oldest(program, capsys):
    if OLD not in (RUNNING, OTHER):
        pytest.skip("neither version is the oldest")
    assert main(["check", f"{program}:total", "--for", OTHER]) == 1
    shown = capsys.readouterr().out
    assert "stays" in shown
    assert f"{OTHER}: " in shown


def test_only_what_stays(program, capsys):
    assert main(["check", f"{program}:work", "--for", OTHER, "--refused"]) == 0
    assert "crosses " not in capsys.readouterr().out


def test_methods_and_generators(program, capsys):
    assert main(["check", f"{program}:Job.run", "--for", OTHER]) == 0
    shown = capsys.readouterr().out
    assert "yield: yield self.step()" in shown


def test_for_programs(program, capsys):
    assert main(["check", f"{program}:work", "--for", OTHER, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert {point["line"] for point in found["points"]} == {2, 3, 4, 5}
    assert all(point["refused"] == {} for point in found["points"])


def test_a_module_by_its_name(capsys, monkeypatch, tmp_path):
    target(OTHER)
    (tmp_path / "named.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "named:work", "--for", OTHER]) == 0
    assert "named.py" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no_such_module"], "no module of that name"),
        (["{program}:nothing", "--for", OTHER], "no function 'nothing'"),
        (["{program}", "--for", "2.7"], "no version that hetmig knows"),
        (["sys"], "no module of that name with a source"),
    ],
)
def test_wrong_usage(program, capsys, arguments, said):
    assert main(["check", *(each.format(program=program) for each in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_a_source_that_does_not_compile(capsys, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def (:\n")
    assert main(["check", str(path), "--for", OTHER]) == 2
    assert "no source that this Python can compile" in capsys.readouterr().err
