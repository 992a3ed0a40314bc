"""What is said of a mistake in the command line."""

import pytest

from hetmig.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ps", "--jsn"], "hetmig ps: unrecognized arguments: --jsn; did you mean --json?;"),
        (
            ["node", "--polcy=age"],
            "; did you mean --policy?; `hetmig node --help` has all",
        ),
        (
            ["keys", "list", "--jsn"],
            "hetmig keys list: unrecognized arguments: --jsn; did you",
        ),
        (["mv", "a", "b", "c"], "hetmig mv: unrecognized arguments: c; `hetmig mv --help` has"),
        (["run"], "hetmig run: the following arguments are required: SCRIPT;"),
        (["demo", "--plot", "x.pdf"], "it is drawn as SVG, and not as 'x.pdf': say FILE.svg"),
        (["node", "--join", "127.0.0.1:7717"], "'127.0.0.1:7717' is no address of a node"),
        ([], "`hetmig --help` has all there is"),
    ],
)
def test_the_very_command_says_what_is_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) < 8


def test_the_options_of_a_script_are_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "no such script.py", "--unknown", "--help"]) == 2
    assert "no such script.py" in capsys.readouterr().err
