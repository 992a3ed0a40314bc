"""Checkpoints in S3: moto's server plays it, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'hetmig[test-s3]'")
pytest.importorskip("moto.server", reason="no moto[server]: pip install 'hetmig[test-s3]'")

import hetmig
from hetmig.errors import CheckpointFailed, HetmigError, NoCheckpoint, TruncatedParcel
from hetmig.node.embedded import LocalNodes
from hetmig.state.checkpoint import forget, load, names_in
from hetmig.state.stores import store_at
from tests.node.checkpoint_programs import until_told
from tests.state.test_checkpoint import FIND, SERIES, keep

pytestmark = [
    # of botocore and aiohttp, not ours
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_kept_pruned_and_found(bucket: str) -> None:
    place = f"{bucket}/deep/below"
    assert names_in(store_at(place)) == []
    store = keep(place, 1, 2)
    loaded = load(place, FIND)
    assert loaded.name.number == 2
    assert loaded.where == f"{place}/{loaded.name}"
    assert load(loaded.where, FIND).name == loaded.name
    store._files.pipe_file(store._path(str(loaded.name)), b"".join(store.read(str(loaded.name)))[:-1])  # type: ignore[attr-defined]  # fmt: skip  # noqa: E501
    fallen_back = load(place, FIND)
    assert fallen_back.name.number == 1
    assert isinstance(fallen_back.skipped[0][1], TruncatedParcel)
    forget(place, SERIES)
    with pytest.raises(NoCheckpoint):
        load(place, FIND)


def test_what_s3_refuses_is_an_error_of_ours(bucket: str) -> None:
    with pytest.raises((CheckpointFailed, NoCheckpoint), match="no-such-bucket"):
        keep("s3://no-such-bucket/x", 1)


def test_a_task_is_kept_there_and_resumed_from_there(bucket: str, tmp_path: Path) -> None:
    root, gate = str(Path(__file__).parents[2]), tmp_path / "gate"
    with (
        LocalNodes(1, path=[root]) as local,
        hetmig.connect(local[0], keys=local.keys, echo=False) as nodes,
    ):
        task = nodes.submit(until_told, str(gate), 10)
        saved = task.checkpoint(f"{bucket}/tasks")
        assert saved.where.startswith("s3://bucket/tasks/")
        with pytest.raises(HetmigError, match="no-such-bucket"):
            task.checkpoint("s3://no-such-bucket/x")
        task.cancel()
        gate.touch()
        assert nodes.resume(f"{bucket}/tasks").result(60) == [10, True, 285]
