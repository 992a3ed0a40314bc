"""A crew that runs each part in this very process, as soon as its result is wanted."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

from hetmig.division import crew, running
from hetmig.errors import HetmigError
from hetmig.state.image import Image, freeze, freeze_value, thaw


class Here:
    """Runs parts here.  `lost`: numbers of parts that nothing is ever heard of again."""

    def __init__(self, lost: Sequence[int] = ()) -> None:
        self.parts: dict[int, bytes] = {}
        self.lost = set(lost)
        self.cancelled: list[int] = []
        self.divided: list[int] = []
        self.refused: list[str] = []
        self.notes: list[str] = []
        self.done = 0
        self.failed: list[BaseException] = []
        self.again: dict[int, int] = {}

    def surroundings(self) -> dict[str, Any]:
        return {}

    def freeze(self, stack: Sequence[Any]) -> Image:
        frozen = freeze(stack, {})
        return Image("frames", [bytes(f) for f in frozen.frames], [], frozen.portable)

    def send(self, frozen: Sequence[Any], to: Sequence[str]) -> list[int]:
        first = len(self.parts)
        for image in frozen:
            self.parts[len(self.parts)] = image
        return list(range(first, len(self.parts)))

    def result(self, handle: int) -> Any:
        if handle in self.lost:
            return None
        stack, _ = thaw(self.parts[handle])
        run = running.prepare(stack)
        del stack  # whose slots would share the cells of the frame
        if handle in self.again:
            crew.pending.append(crew.Request(self.again[handle]))
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                done = running.result_of(lambda: run(None))
            given = thaw(freeze_value(done))
        except BaseException as error:
            self.failed.append(error)
            return None
        self.done += 1
        return given

    def cancel(self, handles: Sequence[int]) -> None:
        self.cancelled += handles

    def told(self, request: crew.Request, count: int, error: Exception | None) -> None:
        if error is None:
            self.divided.append(count)
        else:
            assert isinstance(error, HetmigError)
            self.refused.append(str(error))

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextlib.contextmanager
def runs_parts(here: Here) -> Iterator[Here]:
    crew.set_crew(here)
    try:
        yield here
    finally:
        crew.set_crew(None)
