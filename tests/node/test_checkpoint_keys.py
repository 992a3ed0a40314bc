"""The secrets of checkpoints: made once, kept to oneself, found by what they sealed."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from hetmig.errors import HetmigError
from hetmig.node.checkpoint_keys import OWN, finder, own_secret, read_secret
from hetmig.state.checkpoint import derived, fingerprint


def test_a_secret_is_made_once_even_by_many_at_a_time(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(own_secret(tmp_path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert os.listdir(tmp_path) == [OWN]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / OWN).stat().st_mode) == 0o600


def test_keys_are_found_by_own_secrets_and_those_of_others(tmp_path: Path) -> None:
    own = own_secret(tmp_path)
    other, given = own_secret(_made(tmp_path / "b")), own_secret(_made(tmp_path / "c"))
    (tmp_path / "b" / OWN).rename(tmp_path / "checkpoint-b.key_secret")
    find = finder(tmp_path, [tmp_path / "c" / OWN])
    for secret in (own, other, given):
        key = derived(secret, "abc")
        assert find("abc", fingerprint(key)) == key
        assert find("abd", fingerprint(key)) is None


def test_what_is_no_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text("00ff\n")
    with pytest.raises(HetmigError, match=r"no key of checkpoints: those have 32 bytes"):
        own_secret(tmp_path)
    (tmp_path / OWN).write_text("zz")
    with pytest.raises(HetmigError, match="cannot be read"):
        read_secret(tmp_path / OWN)
    with pytest.raises(HetmigError, match="cannot be made"):
        own_secret(tmp_path / "nowhere")


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
