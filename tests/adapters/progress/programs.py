"""Loops with a progress bar, which wait in the middle until they are let go on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import hetmig


def wait_for(file: str) -> None:
    while not Path(file).exists():
        time.sleep(0.005)


def with_tqdm(go_on: str, *, total: int = 40, **options: Any) -> tuple[int, int]:
    from tqdm import tqdm

    found = 0
    bar = tqdm(range(total), desc="work", mininterval=0, **options)
    for number in bar:
        found += number
        if number == total // 2:
            wait_for(go_on)
    return found, bar.n


def by_hand(go_on: str) -> tuple[int, str]:
    from tqdm import tqdm

    with tqdm(total=10, desc="outer", mininterval=0) as outer:
        for number in range(10):
            with tqdm(total=3, desc="inner", leave=False, mininterval=0) as inner:
                inner.update(3)
                if number == 4:
                    inner.set_postfix(at=number)
                    wait_for(go_on)
            outer.update()
        return outer.n, type(tqdm.monitor).__name__


class Mover:
    """A file that wants to go on elsewhere in the middle of a line."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def write(self, text: str) -> None:
        if "3/5" in text and not self.reasons:
            try:
                hetmig.migrate("b")
            except hetmig.NotMigratable as error:
                self.reasons.append(error.reason)

    def flush(self) -> None: ...


def while_it_is_drawn() -> tuple[list[str], str | None]:
    from tqdm import tqdm

    mover: Any = Mover()
    for _ in tqdm(range(5), file=mover, mininterval=0):
        pass
    return mover.reasons, hetmig.here()


def with_rich(go_on: str) -> tuple[int, bool]:
    from rich.progress import track

    found = 0
    for number in track(range(40), description="work"):
        found += number
        if number == 20:
            wait_for(go_on)
    return found, True


def with_lines_of_rich(go_on: str) -> tuple[list[float], bool]:
    from rich.progress import Progress

    with Progress() as progress:
        first = progress.add_task("first", total=4)
        second = progress.add_task("second", total=2)
        for number in range(4):
            progress.advance(first)
            if number == 1:
                print("between")
                wait_for(go_on)
            if number > 1:
                progress.advance(second)
        lines = progress.tasks
        plausible = all(0 <= (line.elapsed or 0) < 3600 for line in lines)
        return [line.completed for line in lines], plausible
