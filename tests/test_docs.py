"""What the documents say about the program is what the program says about itself."""

import functools
import re
from pathlib import Path

import pytest

import hetmig
from hetmig.cli import build_parser, main
from hetmig.node import handoff
from hetmig.node.embedded import LocalNodes

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])


def anchors(page: Path) -> set[str]:
    """The names GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


WORK = """
import hetmig

def open_lines(path):
    if path == "first":
        while hetmig.here() == "x86-box":
            pass  # stays here until it is moved from outside
    return [path]
"""


def test_the_example_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    with LocalNodes(2, names=["x86-box", "arm-box"]) as local:
        example = example.replace("tcp://127.0.0.1:7717", local[0].endpoint)
        example = example.replace("tcp://arm-box:7717", local[1].endpoint)
        connect = functools.partial(hetmig.connect, keys=local.keys)
        namespace = {"__name__": "__main__", "paths": ["first", "second", "third"]}
        exec(WORK, namespace)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hetmig, "connect", connect)
            exec(compile(example, "README.md", "exec"), namespace)
    shown = capsys.readouterr().out
    assert shown.startswith("{} [Hop(")
    assert "destination='arm-box'" in shown


def test_the_handoff_is_drawn_as_it_is_programmed() -> None:
    assert handoff.__doc__ is not None
    diagram = handoff.__doc__.partition("\n\n")[2].partition("\n\n")[0]
    page = (ROOT / "docs" / "handoff.md").read_text("utf-8")
    assert diagram.strip("\n") in page
    for state in handoff.State:
        assert f"| {state.name} |" in page
    for note in handoff.Note:
        assert re.search(rf"\| {note.name}(\(reason\))? \|", page), note


def test_the_command_line_page_has_each_command_and_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    commands = re.findall(r"^    (\w+)  ", build_parser().format_help(), re.MULTILINE)
    assert {"demo", "node", "run", "ps", "mv", "drain", "doctor", "inspect", "keys"} <= set(
        commands
    )
    for command in commands:
        assert re.search(rf"^## {command}$", page, re.MULTILINE), command
        section = page.partition(f"## {command}\n")[2].partition("\n## ")[0]
        with pytest.raises(SystemExit):
            main([command, "--help"])
        for option in re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE):
            assert option in section, f"{command} {option}"
