"""Cells of a real kernel that run as tasks, and what the notebook shows of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

for package in ("IPython", "ipykernel", "jupyter_client"):
    pytest.importorskip(package, reason=f"{package} is not there: pip install hetmig[notebook]")

from hetmig.node.embedded import LocalNodes  # noqa: E402
from tests.adapters.notebook.kernels import TIMEOUT, Kernel, kernel  # noqa: E402
from tests.interpreters import RUNNING  # noqa: E402

FAR = "3.14" if RUNNING < "3.14" else "3.13"


@pytest.fixture(scope="module")
def started() -> Iterator[Kernel]:
    with LocalNodes(2) as local, kernel() as notebook:
        notebook.good("%load_ext hetmig")
        shown = notebook.good(f"%hetmig {local[0].endpoint} --keys {local.keys}").result
        assert "3.1" in shown["text/plain"]
        assert "<table" in shown["text/html"]
        yield notebook


@pytest.fixture
def notebook(started: Kernel) -> Kernel:
    started.good("%reset_selective -f ^(?!_).*")
    started.good("import hetmig")
    return started


def test_variables_go_along_and_come_back(notebook: Kernel) -> None:
    notebook.good("data, same, scale = [1, 2], 'same', 2\ndef times(x):\n    return x * scale")
    notebook.good("kept = id(same)")
    done = notebook.good(
        "%%migratable --on b\n"
        "scale = 5\n"
        "data.append(times(3))\n"
        "assert same\n"
        "def made(y):\n"
        "    return times(y) + scale\n"
        "gone = 1\n"
        "del gone\n"
        "hetmig.here(), data"
    )
    assert done.result["text/plain"] == "('b', [1, 2, 15])"
    assert notebook.good("data, scale, made(1), id(same) == kept").result["text/plain"] == (
        "([1, 2, 15], 5, 10, True)"
    )
    # its globals are the notebook's
    assert notebook.good("scale = 1\nmade(1)").result["text/plain"] == "2"
    assert notebook.run("gone").error == "NameError"


def test_what_is_shown_of_the_last_line(notebook: Kernel) -> None:
    assert notebook.good("%%migratable\n1 + 1; 1 + 2").result["text/plain"] == "3"
    assert notebook.good("%%migratable\n1 + 1;  # quiet").result == {}
    assert notebook.good("%%migratable\nx = 1").result == {}
    assert notebook.good("%%migratable\n# nothing").result == {}
    shown = notebook.good("%%migratable\n\n'é' + str((\n  x))").result
    assert shown["text/plain"] == "'é1'"
    # the notebook's last value, as in any cell
    assert notebook.good("%%migratable\n_ * 2").result["text/plain"] == "'é1é1'"


def test_what_a_cell_deletes_is_gone(notebook: Kernel) -> None:
    notebook.good("x = 1")
    notebook.good("%%migratable\nx += 1\ndel x")
    assert notebook.run("x").error == "NameError"


def test_instances_of_the_notebooks_classes_stay_so(notebook: Kernel) -> None:
    notebook.good("class Point:\n    def __init__(self, x):\n        self.x = x\nfirst = Point(1)")
    notebook.good("%%migratable\nfirst.x += 1\nsecond = Point(5)")
    shown = notebook.good("type(first) is type(second) is Point, first.x, second.x")
    assert shown.result["text/plain"] == "(True, 2, 5)"


def test_a_cell_moves_and_its_journey_is_shown(notebook: Kernel) -> None:
    done = notebook.good(
        "%%migratable\n"
        "import sys\n"
        "seen = []\n"
        "for number in range(4):\n"
        "    print('round', number, hetmig.here())\n"
        "    print('told', number, file=sys.stderr)\n"
        "    seen.append(hetmig.here())\n"
        "    if number == 1:\n"
        "        hetmig.migrate('b')\n"
        "    hetmig.progress(number + 1, 4, '<rounds>')\n"
        "seen"
    )
    assert done.result["text/plain"] == "['a', 'a', 'b', 'b']"
    assert done.stdout == "round 0 a\nround 1 a\nround 2 b\nround 3 b\n"
    assert done.stderr == "told 0\ntold 1\ntold 2\ntold 3\n"
    last = done.shown[-1]
    assert "100 % &lt;rounds&gt;" in last["text/html"]
    assert "done" in last["text/html"]
    assert "a → <b>b</b>" in last["text/html"]
    assert "a -> b: frozen" in last["text/plain"]
    assert "sys" in notebook.good("sys.__name__").result["text/plain"]


def test_an_error_shows_the_cells_own_lines(notebook: Kernel) -> None:
    notebook.good("def half(n):\n    return n / 0")
    done = notebook.run("%%migratable\nbefore = 7\n\nhalf(before)")
    assert done.error == "ZeroDivisionError"
    lines = done.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith("  Cell In[")
    assert lines[1].endswith("], line 4, in <module>")
    assert lines[2] == "    half(before)"
    assert "    return n / 0" in lines
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "hetmig" not in done.traceback
    # what it had assigned before is there
    assert notebook.good("before").result["text/plain"] == "7"


def test_what_is_no_python(notebook: Kernel) -> None:
    done = notebook.run("%%migratable\n\nx = (")
    assert "], line 3" in done.traceback
    assert "SyntaxError" in done.traceback
    assert "asyncio.run" in notebook.run("%%migratable\nawait x").traceback
    assert "cell of its own" in notebook.run("%%migratable\n!ls").traceback
    assert "cell of its own" in notebook.run("%%migratable\nget_ipython()").traceback


def test_what_cannot_go_along_is_named(notebook: Kernel) -> None:
    notebook.good("import socket\nconnection = socket.socket()")
    done = notebook.run("%%migratable\nconnection.fileno()")
    assert done.error == "NotMigratable"
    assert "connection" in done.traceback
    notebook.good("connection.close()")


def test_what_cannot_come_back_is_named_and_all_else_is_there(notebook: Kernel) -> None:
    done = notebook.run("%%migratable\nimport os\nopened = open(os.devnull)\nother = 3")
    assert done.error == "NotMigratable"
    assert "'opened'" in done.traceback
    assert notebook.good("other").result["text/plain"] == "3"


def test_an_interrupt_cancels_the_task(notebook: Kernel) -> None:
    code = "%%migratable --name endless\nprint('begun', flush=True)\nwhile True:\n    pass"
    done = notebook.run(code, interrupt_at="begun")
    assert done.error == "KeyboardInterrupt"
    assert "cancelled" in done.traceback
    tasks = notebook.good("%ps --all").result["text/plain"].splitlines()
    assert [line.split()[2] for line in tasks if "endless" in line] == ["cancelled"]


def test_a_cell_in_the_background_is_moved_and_waited_for(notebook: Kernel) -> None:
    notebook.good(
        "%%migratable --background --name behind\n"
        "hetmig.progress(1, 4)\n"
        "while hetmig.here() == 'a':\n"
        "    total = 41\n"
        "total += 1\n"
        "total"
    )
    assert "behind" in notebook.good("%ps").result["text/plain"]
    moved = notebook.good("%mv behind b").result
    assert moved["text/plain"].startswith("a -> b: frozen")
    assert "<table" in moved["text/html"]
    assert notebook.good("%wait").result["text/plain"] == "42"
    assert notebook.good("total").result["text/plain"] == "42"
    assert "there is: none" in notebook.run("%wait").traceback


def test_checkpoint_of_the_only_task(notebook: Kernel) -> None:
    notebook.good("%%migratable -b\nprint('begun')\nwhile True:\n    pass")
    assert "Checkpoint(" in notebook.good("kept = %checkpoint\nkept").result["text/plain"]
    notebook.good("from pathlib import Path\nassert Path(kept.where).is_file()")
    wrong = notebook.run("%mv nothing.txt b")
    assert wrong.traceback.startswith("UsageError: no task 'nothing.txt'")
    assert wrong.traceback.count("\n") == 0
    assert notebook.run("%wait", interrupt_at="begun").error == "KeyboardInterrupt"


def test_in_ipython_without_a_notebook(started: Kernel) -> None:
    """The text that a terminal shows; and what `%unload_ext` leaves."""
    local = started.good("%hetmig").result["text/plain"].split("tcp://")[1].split()[0]
    keys = started.good(
        "from hetmig.notebook import magics\nnext(iter(magics._loaded.values())).site.keys"
    ).result["text/plain"]
    cells = [
        "%load_ext hetmig",
        f"%hetmig tcp://{local} --keys {keys}",
        "import hetmig",
        "%%migratable\nprint('printed')\nhetmig.migrate('b')\nhetmig.here()",
        "%%migratable\n1 / 0",
        "%unload_ext hetmig",
        "%mv",
    ]
    code = (
        "from IPython.terminal.interactiveshell import TerminalInteractiveShell\n"
        "shell = TerminalInteractiveShell.instance(colors='nocolor')\n"
        f"for cell in {cells!r}:\n"
        "    shell.run_cell(cell, store_history=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT
    )
    shown = done.stdout
    assert "printed\nIn[4], done, on b\n  a -> b: frozen" in shown, done
    assert "Out[4]: 'b'" in shown
    assert "  Cell In[5], line 2, in <module>\n    1 / 0" in shown
    assert "missing file operand" in done.stdout + done.stderr


def test_help_and_wrong_options(notebook: Kernel) -> None:
    assert "--background" in notebook.good("%%migratable --help\nx").stdout
    assert "usage: %mv" in notebook.run("%mv").stderr


@pytest.mark.slow
def test_functions_of_cells_go_to_another_version(notebook: Kernel) -> None:
    from tests.interpreters import target

    with LocalNodes(2, names=["here", "there"], python=[None, str(target(FAR))]) as far:
        notebook.good(f"old = %hetmig {far[0].endpoint} --keys {far.keys}")
        notebook.good("def version(n):\n    import sys\n    return [sys.version_info[1]] * n")
        done = notebook.good(
            "%%migratable\n"
            "found = version(1)\n"
            "for place in ('there', 'here', 'there'):\n"
            "    hetmig.migrate(place)\n"
            "    found += version(1)\n"
            "def later(): return version(2)\n"
            "found"
        )
        near, there = RUNNING.split(".")[1], FAR.split(".")[1]
        assert done.result["text/plain"] == f"[{near}, {there}, {near}, {there}]"
        assert notebook.good("later()").result["text/plain"] == f"[{near}, {near}]"
        notebook.good("%hetmig --close")


def test_open_is_that_of_python_elsewhere(notebook: Kernel) -> None:
    """IPython has put one of its own into the notebook, and nodes need not have IPython."""
    said = "open.__globals__['__name__'], hetmig.loads(hetmig.dumps(open)) is __import__('io').open"
    assert notebook.good(said).result["text/plain"] == "('IPython.core.interactiveshell', True)"
    read = "def first(path):\n    with open(path) as file:\n        return file.readline()"
    notebook.good(f"import os\n{read}\npath = os.path.abspath(os.__file__)")
    done = notebook.good("%%migratable --on b\nfirst(path)[:3]")
    assert done.result["text/plain"].startswith("'")
    sent = notebook.good("b'IPython' in hetmig.dumps(first, portable=True)").result["text/plain"]
    assert sent == "False"
