"""The file of what a branch heard: kept, deleted, damaged, in the way, and on a full disk."""

import errno
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion_pipeline.core.state import IndexedBranch
from ingestion_pipeline.embed.heard import Heard, make_nothing
from ingestion_pipeline.indexing.heard_cache import HeardCache, Remembered
from ingestion_pipeline.indexing.moved import Moved, find_moved
from ingestion_pipeline_tests.state.samples import make_source

SOURCE = make_source()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_remembered(head_sha: str = "a" * 40, nodes: int = 5) -> Remembered:
    rng = np.random.default_rng(nodes)
    heard = Heard(
        rng.integers(1, 2**63, nodes, np.uint64),
        rng.integers(1, 2**63, (2, nodes), np.uint64),
        rng.standard_normal((2, nodes, 64)).astype(np.float16),
    )
    files = np.array([3, 4], np.uint64)
    return Remembered(head_sha, "fingerprint", ["a.py", "é/b.py"], files, heard)


def check_same(found: Remembered | None, expected: Remembered) -> None:
    assert found is not None
    assert (found.head_sha, found.fingerprint, found.paths) == (
        expected.head_sha,
        expected.fingerprint,
        expected.paths,
    )
    np.testing.assert_array_equal(found.files, expected.files)
    for name in ("own", "inputs", "values"):
        np.testing.assert_array_equal(getattr(found.heard, name), getattr(expected.heard, name))


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    cache = HeardCache(tmp_path)
    assert cache.load(SOURCE, "main") is None
    for number, branch in enumerate(("main", "dev", "main")):
        cache.save(SOURCE, branch, make_remembered(str(number)))
    check_same(cache.load(SOURCE, "main"), make_remembered("2"))
    check_same(cache.load(SOURCE, "dev"), make_remembered("1"))
    assert cache.load(make_source(2), "main") is None
    assert len(list_files(tmp_path)) == 2


def test_a_branch_without_nodes(tmp_path: Path) -> None:
    cache = HeardCache(tmp_path)
    empty = Remembered("", "", [], np.zeros(0, np.uint64), make_nothing(2, 64))
    cache.save(SOURCE, "main", empty)
    check_same(cache.load(SOURCE, "main"), empty)


def test_other_branches_are_forgotten(tmp_path: Path) -> None:
    cache = HeardCache(tmp_path)
    cache.keep_only(SOURCE, ["main"])
    for branch in ("main", "dev"):
        cache.save(SOURCE, branch, make_remembered())
    cache.save(make_source(2), "dev", make_remembered())
    cache.keep_only(SOURCE, ["main"])
    assert cache.load(SOURCE, "main")
    assert cache.load(SOURCE, "dev") is None
    assert cache.load(make_source(2), "dev")
    cache.keep_only(SOURCE, ())
    assert cache.load(SOURCE, "main") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_file_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, at: float, bit: int, cut: bool
) -> None:
    cache = HeardCache(tmp_path)
    cache.save(SOURCE, "main", make_remembered())
    [path] = list_files(tmp_path)
    content = bytearray(path.read_bytes())
    place = int(at * (len(content) - 1))
    content[place] ^= 1 << bit
    path.write_bytes(content[:place] if cut else content)
    assert cache.load(SOURCE, "main") is None
    assert "damaged or of another version" in caplog.text
    cache.save(SOURCE, "main", make_remembered())
    check_same(cache.load(SOURCE, "main"), make_remembered())


def test_a_full_disk_is_told_and_leaves_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = HeardCache(tmp_path)
    cache.save(SOURCE, "main", make_remembered("old"))

    def replace(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace)
    cache.save(SOURCE, "main", make_remembered("new"))
    check_same(cache.load(SOURCE, "main"), make_remembered("old"))
    assert len(list_files(tmp_path)) == 1
    assert "No space left on device. The next sync is slower" in caplog.text


def test_a_folder_that_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "heard").write_text("in the way")
    cache = HeardCache(tmp_path / "heard")
    with caplog.at_level(logging.WARNING):
        assert cache.load(SOURCE, "main") is None
        cache.save(SOURCE, "main", make_remembered())
        cache.keep_only(SOURCE, ())
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text


def make_row(head_sha: str, fingerprint: str = "fingerprint") -> IndexedBranch:
    return IndexedBranch("main", head_sha, "", fingerprint, "code", NOW, 0, 0, 0)


def test_only_a_finished_sync_of_the_same_tells_what_the_store_holds() -> None:
    before, now = make_remembered("old"), make_remembered("new")
    moved = find_moved(before, now)
    assert moved == Moved("old", "fingerprint", [])
    assert moved.is_since(make_row("old"))
    for row in (None, make_row("new"), make_row(""), make_row("old", "other")):
        assert not moved.is_since(row)
    assert not find_moved(None, now).is_since(make_row(""))


def test_new_and_changed_files_have_moved() -> None:
    before = make_remembered()
    now = Remembered(
        "new", "f", ["a.py", "c.py", "é/b.py"], np.array([3, 3, 5], np.uint64), before.heard
    )
    assert find_moved(before, now).paths == ["c.py", "é/b.py"]
