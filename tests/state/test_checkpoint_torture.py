"""Cases, kept in files at many safe points: each file resumes to the outcome of the whole.

All cases at all places: `HETMIG_CHECKPOINTS=all pytest -m "" FILE`, for an hour.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hetmig.errors import FrameAddress, NotMigratable
from hetmig.node.checkpoint_keys import finder_of
from hetmig.state.checkpoint import (
    Name,
    derived,
    load,
    names_in,
    seal_checkpoint,
    take_out_written,
)
from hetmig.state.image import Image
from hetmig.state.stores import store_at
from hetmig.testing.outcomes import outcome, recording
from hetmig.testing.places import Worker, worker_for
from hetmig.testing.programs import Frozen, Program
from hetmig.testing.stops import Stop, above, visiting
from hetmig.testing.torturing import checked, chosen, count
from tests.interpreter.test_torture import PLAIN, REFUSALS

SECRET = bytes(range(32))
SERIES = "ca5e"
AT_MOST = os.environ.get("HETMIG_CHECKPOINTS", "2")
"""Files of each case: a number, or "all"."""


@pytest.fixture(scope="module")
def there() -> Iterator[Worker]:
    with contextlib.closing(worker_for("process", 120)) as worker:
        worker.require()
        yield worker


def kept(program: Program, place: Path) -> tuple[int, list[NotMigratable]]:
    """Run a program, and keep it at some of its safe points; how many, and what was refused."""
    wanted = None if AT_MOST == "all" else chosen(count(program), int(AT_MOST), seed=1)
    store, key = store_at(place), derived(SECRET, SERIES)
    refused: list[NotMigratable] = []
    passed = number = 0

    def visit(stop: Stop) -> None:
        nonlocal passed, number
        passed += 1
        if wanted is not None and passed - 1 not in wanted:
            return
        try:
            try:
                frozen = program.freeze(stop, portable=True)
            except NotMigratable:
                frozen = program.freeze(stop)
        except NotMigratable as error:
            refused.append(error)
            return
        number += 1
        name = Name(SERIES, 1, number)
        about = {"series": SERIES, "epoch": 1, "number": number, "where": list(stop.where)}
        written = [("stdout", output.getvalue().encode())]
        wire = seal_checkpoint(frozen.manifest({"id": SERIES}), frozen.frames, key, about, written)
        store.write(str(name), wire)

    run, arguments = program.fresh()
    with visiting(visit), recording() as output:
        outcome(lambda: above(run), arguments=arguments, recorder=output)
    return number, refused


SOME = [
    case if index % 9 == 0 else pytest.param(*case.values, id=case.id, marks=pytest.mark.nightly)
    for index, case in enumerate(PLAIN)
]


@pytest.mark.parametrize(("module", "case"), SOME)
def test_each_file_resumes_to_the_same_end(
    module: ModuleType, case: Callable[[], object], there: Worker, tmp_path: Path
) -> None:
    program = Program(case, (), {}, ())
    try:
        expected = checked(program)
        number, refused = kept(program, tmp_path)
        names = names_in(store_at(tmp_path))
        assert len(names) == number
        for name in names:
            loaded = load(tmp_path / str(name), finder_of([SECRET]))
            opened, ((_, written),) = take_out_written(loaded.parcel)
            where = FrameAddress(*loaded.about["where"])
            frozen = Frozen(where, _owned(Image.of_parcel(opened)), written.decode())
            try:
                got = there.go_on(program, frozen)
            except NotMigratable as error:
                refused.append(error)
                continue
            assert expected.difference(got) is None, where
    finally:
        program.restore()
    unexpected = [str(e) for e in refused if not any(known in str(e) for known in REFUSALS)]
    assert unexpected == []


def _owned(image: Image) -> Image:
    """With frames that can be sent to another process."""
    frames = [bytes(frame) for frame in image.frames]
    return Image(image.kind, frames, image.description, image.portable)
