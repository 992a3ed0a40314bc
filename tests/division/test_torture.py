"""Division at each iteration, into two to four parts, gives what the undivided loop gives."""

from __future__ import annotations

import pytest

import hetmig
from hetmig.division import crew
from tests.division import loop_shapes
from tests.division.inprocess import Here, runs_parts
from tests.division.loop_shapes import DIVIDED, TAKEN_BACK, Ask


class Asker:
    """Asks for a division at its call number `at`, in this process only."""

    def __init__(self, at: int, parts: int) -> None:
        self.at, self.parts = at, parts

    def __reduce__(self) -> tuple[object, ...]:
        return Asker, (-1, 0)

    def __call__(self, _number: int) -> None:
        Asker.calls += 1
        if Asker.calls == self.at:
            hetmig.divide(self.parts)

    calls = 0


def run(shape: object, at: int, parts: int, here: Here) -> object:
    Asker.calls = 0
    ask: Ask = Asker(at, parts)
    with runs_parts(here):
        return shape(ask)  # type: ignore[operator]


@pytest.mark.parametrize("shape", [*DIVIDED, *TAKEN_BACK], ids=lambda shape: shape.__name__)
@pytest.mark.parametrize(
    "parts", [4, *(pytest.param(n, marks=pytest.mark.nightly) for n in (2, 3))]
)
def test_division_at_each_iteration(shape: object, parts: int) -> None:
    expected = repr(run(shape, -1, parts, Here()))
    count = Asker.calls
    assert count >= 3
    merged = 0
    for at in range(1, count + 1):
        here = Here()
        assert repr(run(shape, at, parts, here)) == expected, (at, here.notes, here.failed)
        # nobody serves what the last iteration before `break` asks for
        assert here.divided or here.refused or at == count
        merged += here.done if not here.notes else 0
    if shape in DIVIDED and shape is not loop_shapes.raises and parts == 4:
        assert merged > 0
    assert not crew.pending


def test_each_shape_is_tested() -> None:
    shapes = {
        value
        for name, value in vars(loop_shapes).items()
        if callable(value) and getattr(value, "__annotations__", {}).get("ask")
    }
    assert shapes == {*DIVIDED, *TAKEN_BACK}
