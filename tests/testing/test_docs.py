"""The examples of docs/testing.md run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "testing.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example(number, tmp_path):
    # as a script, or a file of tests: its functions are those of `__main__`
    example = EXAMPLES[number]
    file = tmp_path / f"test_example_{number}.py"
    file.write_text(example, "utf-8")
    command = [sys.executable, str(file)]
    if "import pytest" in example:
        command[1:1] = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "hetmig"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_examples():
    assert len(EXAMPLES) >= 6


def test_each_option_and_argument_of_the_marker_is_there():
    from hetmig import pytest_plugin

    source = Path(pytest_plugin.__file__).read_text("utf-8")
    for option in re.findall(r'"(--hetmig-[a-z-]+)"', source):
        assert f"`{option}" in PAGE, option
    for name in pytest_plugin._SETTINGS | {"ping_pong", "least"}:
        assert f"`{name}=" in PAGE, name
