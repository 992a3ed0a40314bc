"""Classes of attrs: what attrs has written for them goes along, here and to other versions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hetmig.errors import TargetUnavailable
from hetmig.testing import torture
from tests.interpreters import RUNNING
from tests.matrix.pairs import run, summary
from tests.matrix.sites import Site

attrs = pytest.importorskip("attrs", reason="attrs is not installed")

SHAPES = "tests.state.attrs_shapes"
CASES = ("case_generated_methods", "case_instances")


@pytest.mark.parametrize("case", CASES)
def test_moved_at_each_safe_point(case: str) -> None:
    from tests.state import attrs_shapes

    report = torture(getattr(attrs_shapes, case), where="process", at_most=60)
    assert report.migrated >= 10
    print(report)


@pytest.mark.slow
def test_between_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Path(attrs.__file__).parent.parent
    for package in ("attr", "attrs"):  # alone: what is beside them is of this version
        shutil.copytree(found / package, tmp_path / package)
    others = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), others])))
    sites = []
    try:
        for version in dict.fromkeys((RUNNING, "3.11", "3.14")):
            sites.append(Site(version))
        results = run(sites, [(SHAPES, case) for case in CASES], 5, fresh=False)
    except TargetUnavailable as error:
        pytest.skip(str(error))
    finally:
        for site in sites:
            site.close()
    for pair, tally in results.pairs.items():
        print(pair, summary(tally), *tally.refused.most_common(), sep="\n    ")
        assert not [*tally.wrong, *tally.signals, *tally.late]
        assert len(tally.cases) == len(CASES)
    assert not any(results.not_run.values())
