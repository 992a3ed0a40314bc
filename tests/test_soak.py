"""The soak test, for some seconds; `python -m tests.soak --minutes 20` is the real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.node.ledgers import Ledger
from tests.soak import Plan, Soak, soak


@pytest.mark.nightly
def test_nothing_is_lost_and_nothing_runs_twice() -> None:
    seconds = float(os.environ.get("HETMIG_SOAK_SECONDS", "60"))
    seed = int(os.environ.get("HETMIG_SOAK_SEED", "1"))
    print(f"HETMIG_SOAK_SECONDS={seconds:g} HETMIG_SOAK_SEED={seed}")
    summary, failures = soak(Plan(seconds, seed))
    print(summary)
    assert failures == []


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        (["1 1", "2 2", "1 2"], [0, 1]),  # the first goes on after the second has begun
        (["1 1", "2 3"], [0, 1, 2]),  # a round was left out
        (["1 1", "1 2", "1 3", "2 3"], [0]),  # another process's result
    ],
)
def test_the_ledger_finds_what_ran_doubled(
    lines: list[str], result: list[int], tmp_path: Path
) -> None:
    class Ended:
        id = "x"

        def result(self, timeout: float) -> list[int]:
            return result

    ledger = Ledger(tmp_path / "ledger")
    ledger.path.write_text("".join(f"{line}\n" for line in lines))
    run = Soak(None, None, tmp_path, Plan(1.0, 1))  # type: ignore[arg-type]
    run._check(Ended(), ledger)  # type: ignore[arg-type]
    assert len(run.failures) == 1
    assert run.counts["ended"] == 0
