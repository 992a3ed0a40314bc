"""What is sent ahead of a task: only a hint, and never what the task goes on with by itself."""

from __future__ import annotations

import marshal
import sys
import textwrap
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

from hetmig.interpreter import assembly, stackmap
from hetmig.interpreter.activation import NULL, UNBOUND, Activation, Resume
from hetmig.interpreter.reentry import prepare
from hetmig.interpreter.stackmap import stack_map
from hetmig.state import image, precopy, rebuild
from hetmig.state.code import freeze_code
from hetmig.state.precopy import Ahead, described, get_ready

_PROGRAM = """
def job(count):
    import json.decoder
    if count > 99:
        import {absent}
    total = 0
    for number in range(count):
        total += number
    return total
"""


def _made(text: str = _PROGRAM, **more: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__", **more}
    exec(compile(textwrap.dedent(text).format(absent="absent_module"), "<job>", "exec"), namespace)
    return namespace


def test_code_that_was_sent_ahead_is_the_code_that_comes() -> None:
    namespace = _made()
    code: CodeType = namespace["job"].__code__
    ahead = described([(code, namespace)], frozenset())
    assert ahead.places == []
    assert len(ahead.codes) == 1
    get_ready(ahead)
    here = rebuild.code(ahead.codes[0])
    assert id(here) in stackmap._cache
    assert rebuild.code(freeze_code(code)) is here
    assert id(code) in stackmap._cache  # the capture needs it here


@pytest.mark.parametrize(
    "loop",
    ["for number in range(count):\n        done += 1", "while done < count:\n        done += 1"],
    ids=["for", "while"],
)
def test_the_re_entry_is_assembled_for_where_loops_go_round(loop: str) -> None:
    namespace = _made(f"def job(count):\n    done = number = 0\n    {loop}\n    return done\n")
    ahead = described([(namespace["job"].__code__, namespace)], frozenset())
    get_ready(ahead)
    here = rebuild.code(ahead.codes[0])
    places = {key[-1] for key in assembly._cache if key[0] == id(here)}
    assert places
    for offset in places:
        stack = [] if "while" in loop else [iter(range(5, 10)), NULL]
        stack = stack[: len(stack_map(here).at(offset).before or ())]
        known = len(assembly._cache)
        goes_on = prepare([Activation(here, namespace, offset, Resume.AGAIN, [10, 5, 0], stack)])
        assert len(assembly._cache) == known
        assert goes_on(None) == 10


def test_the_bytes_of_a_code_are_the_same_each_time() -> None:
    code = compile("a = 'one value that nothing else holds', 12345.5", "<constants>", "exec")
    first = freeze_code(code)
    held = [code.co_consts, *code.co_consts]  # marshal looks at how often something is held
    assert freeze_code(code) == first
    assert marshal.loads(first) == code
    assert held
    other = compile("a = 2", "<constants>", "exec")
    assert freeze_code(other) != first


def test_modules_are_those_that_it_holds_or_has_imported() -> None:
    own = ModuleType("made_by_hand")
    namespace = _made(system=sys, helper=textwrap.dedent, own=own)

    ahead = described([(namespace["job"].__code__, namespace)], frozenset())
    assert set(ahead.modules) == {"json.decoder", "sys", "textwrap"}
    loaded = list(sys.modules)
    assert ahead.modules == sorted(ahead.modules, key=loaded.index)
    known = frozenset({"json.decoder", "sys"})
    assert described([(namespace["job"].__code__, namespace)], known).modules == ["textwrap"]


def test_code_of_a_module_goes_by_its_place() -> None:
    code = textwrap.dedent.__code__
    ahead = described([(code, vars(textwrap))], frozenset())
    assert ahead.codes == []
    assert ahead.modules == ["textwrap"]
    assert [place[:2] for place in ahead.places] == [["textwrap", "dedent"]]
    stackmap._cache.pop(id(code), None)
    get_ready(ahead)
    assert id(code) in stackmap._cache


def test_behind_a_prologue_it_is_the_compilers_own() -> None:
    live: list[CodeType] = []

    def look() -> tuple[int, ...]:
        live.append(sys._getframe(1).f_code)
        return ()

    text = "def job():\n    for _ in look():\n        pass\n    return 7\n"
    namespace = _made(text, look=look)
    code = namespace["job"].__code__
    points = stackmap.stack_map(code)._points.values()
    start = next(point.start for point in points if point.name == "RESUME")
    stack = [Activation(code, namespace, start, Resume.AGAIN, [UNBOUND], [])]
    assert prepare(stack)(None) == 7
    assert live[0] is not code
    ahead = described([(live[0], namespace), (code, namespace)], frozenset())
    assert ahead.codes == [freeze_code(code)]


def test_what_does_not_fit_here_is_left_to_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_at_import.py").write_text("raise SystemError('not here')")
    monkeypatch.syspath_prepend(str(tmp_path))
    get_ready(
        Ahead(
            ["no_such_module_anywhere", "breaks_at_import", "", "."],
            [["textwrap", "no_such_name", "00"], ["no_such_module", "f", "00"],
             ["textwrap", "dedent", "00" * 16], ["textwrap", "dedent", "not hexadecimal"]],
            [b"", b"garbage", marshal.dumps(17)],
        )
    )  # fmt: skip


def test_a_function_that_has_changed_since_comes_as_it_is() -> None:
    namespace = _made()
    get_ready(described([(namespace["job"].__code__, namespace)], frozenset()))
    changed = _made(_PROGRAM.replace("total += number", "total -= number"))["job"]
    frozen = image.freeze_call(changed, (4,))
    function, args, _ = image.thaw(frozen, main=ModuleType("__main__"))
    assert function(*args) == changed(4) == -6


def test_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spaces = [_made(f"def job():\n    return {number}\n") for number in range(9)]
    stack = [(space["job"].__code__, space) for space in spaces]
    monkeypatch.setattr(precopy, "_MOST_CODES", 5)
    assert len(described(stack, frozenset()).codes) == 5
    one = len(freeze_code(stack[0][0]))
    monkeypatch.setattr(precopy, "_MOST_BYTES", 3 * one + one // 2)
    assert 2 <= len(described(stack, frozenset()).codes) <= 3
