"""A killed worker's task goes on from its checkpoint in S3, which moto's server plays.

pip install -e '.[test-s3,dask]' && python -m pytest tests/adapters/dask/test_s3.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs pip install "hetmig[dask]"')
pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'hetmig[test-s3]'")
pytest.importorskip("moto.server", reason="no moto[server]: pip install 'hetmig[test-s3]'")

import hetmig.dask
from hetmig.state.stores import store_at
from tests.adapters.dask import programs
from tests.adapters.dask.cluster import cluster, home, in_the_middle, lines, until
from tests.adapters.dask.programs import result

COUNT = 40
pytestmark = [
    # of botocore and aiohttp, not ours
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_sigkill_goes_on_from_the_checkpoint(bucket: str, tmp_path: Path) -> None:
    place = f"{bucket}/dask"

    def newest() -> int:
        return max((int(name.split(".")[2]) for name in store_at(place).names()), default=0)

    log, gate = tmp_path / "log", tmp_path / "gate"
    with cluster(tmp_path, "one", "two") as made:
        hetmig.dask.install(made.client, checkpoints=place)
        future = made.client.submit(programs.kept, COUNT, str(log), str(gate))
        in_the_middle(log, COUNT)
        before = newest()
        until(lambda: newest() >= before + 2)  # the second one is of the middle for certain
        address = home(made.client, future)
        made.kill(next(name for name, a in made.addresses().items() if a == address))
        gate.touch()
        assert future.result(60) == result(COUNT)
        until(lambda: newest() == 0)
        events = [event["action"] for _, event in made.client.get_events("hetmig")]
    assert events == ["begins", "resumes"]
    assert [int(number) for number, _ in lines(log)] == list(range(COUNT))
    assert len({worker for _, worker in lines(log)}) == 2
