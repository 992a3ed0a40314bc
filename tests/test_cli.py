"""The command as a user meets it: help, exit codes, errors as one sentence."""

import argparse
import subprocess
import sys
from collections.abc import Callable

import pytest

from hetmig import cli
from hetmig._version import __version__
from hetmig.commands.common import UsageError, add_command, exit_code
from hetmig.errors import (
    ForgedParcel,
    HetmigError,
    MigrationRefused,
    NodeUnreachable,
    NotMigratable,
    Unauthorized,
    VersionMismatch,
)

COMMANDS = [
    "checkpoint", "demo", "doctor", "drain", "inspect", "keys", "mv", "node", "ps", "resume", "run",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: hetmig {command}" in shown
    assert f"examples:\n  hetmig {command}" in shown


def test_the_list_of_commands_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command} " in shown
    assert "exit codes:" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["inspect"],
        ["demo", "--files", "0"],
        ["node", "--listen", "127.0.0.1"],
        ["node", "--listen", "tcp://127.0.0.1:99999"],
        ["node", "--advertise", "arm-box"],
        ["node", "--runners", "-1"],
        ["mv", "task", "node", "--timeout", "nan"],
        ["mv", "task", "node", "--timeout", "0"],
        ["keys", "export", "--name", "me", "--endpoint", "arm-box"],
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: hetmig" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HetmigError("x"), 1),
        (NotMigratable("x"), 1),
        (MigrationRefused("x"), 1),
        (UsageError("x"), 2),
        (NodeUnreachable("x"), 3),
        (Unauthorized("x"), 3),
        (ForgedParcel("x"), 4),
        (VersionMismatch("x"), 4),
    ],
)
def test_exit_codes_of_errors(error: HetmigError, code: int) -> None:
    assert exit_code(error) == code


def stub(action: Callable[[], int]) -> Callable[[], argparse.ArgumentParser]:
    def build() -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog="hetmig")
        commands = parser.add_subparsers()
        add_command(commands, "act", lambda _: action(), "Acts.")
        return parser

    return build


def test_an_error_is_one_sentence_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise NodeUnreachable("no node answers at tcp://nowhere:1")

    monkeypatch.setattr(cli, "build_parser", stub(fail))
    assert cli.main(["act"]) == 3
    assert capsys.readouterr().err == "hetmig: no node answers at tcp://nowhere:1\n"


def test_ctrl_c_is_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_parser", stub(interrupted))
    assert cli.main(["act"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_python_m_hetmig_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hetmig", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"hetmig {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    """`hetmig --help` is quick, and a node never loads what only people need."""
    program = (
        "import sys\nfrom hetmig.cli import build_parser\nbuild_parser().format_help()\n"
        "print([name for name in ('rich', 'zmq', 'cloudpickle', 'dill') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
