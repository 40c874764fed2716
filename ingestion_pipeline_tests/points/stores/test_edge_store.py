"""What is the embedded store's own: files, locks, the open shard, statistics."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

from ingestion_pipeline.core.errors import (
    ConfigurationError,
    PointStoreUnavailableError,
    StoreMismatchError,
)
from ingestion_pipeline.core.points import CollectionSpec
from ingestion_pipeline.points import edge_collection
from ingestion_pipeline.points.edge_folder import EdgeFolder
from ingestion_pipeline.points.edge_lock import EdgeLock
from ingestion_pipeline.points.edge_store import EdgePointStore
from ingestion_pipeline_tests.fakes.point_store import FakePointStore
from ingestion_pipeline_tests.points.stores.samples import (
    EVERYTHING,
    make_id,
    make_point,
    make_spec,
    where,
    words,
)

CODE = "code_test-1"
PATIENCE_SECONDS = 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "points"


@pytest.fixture
def store(root: Path) -> Iterator[EdgePointStore]:
    opened = EdgePointStore(root, PATIENCE_SECONDS)
    opened.ensure_collection(make_spec(CODE))
    yield opened
    opened.close()


def read_indexes(root: Path) -> dict[str, bool]:
    """Field → whether it is the tenant's, as Edge itself says."""
    shard = qdrant_edge.EdgeShard.load(str(root / CODE))
    schema = shard.info().payload_schema
    shard.close()
    return {
        field: isinstance(index.params, qdrant_edge.KeywordIndexParams)
        and bool(index.params.is_tenant)
        for field, index in schema.items()
    }


# -- creating and dropping


def test_a_new_collection_has_its_indexes_and_its_tenant(root: Path) -> None:
    store = EdgePointStore(root)
    store.ensure_collection(CollectionSpec(CODE, 4))
    store.close()
    assert read_indexes(root) == {
        "source": True,
        **dict.fromkeys(("branch", "kind", "path", "language", "repo"), False),
    }


def test_missing_indexes_are_added_to_an_existing_collection(
    store: EdgePointStore, root: Path
) -> None:
    store.upsert(CODE, [make_point(1, language="python")])
    store.ensure_collection(CollectionSpec(CODE, 4, ("kind", "language")))
    assert store.count(CODE, where(language="python")) == 1
    store.close()
    assert read_indexes(root) == {"source": True, "kind": False, "language": False}


def test_a_creation_that_failed_half_way_leaves_no_collection(root: Path) -> None:
    def build(path: Path) -> None:
        (path / "edge_config.json").write_text("{}")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EdgeFolder(root).create(CODE, build)
    store = EdgePointStore(root)
    assert store.list_collections() == []
    assert store.count(CODE, EVERYTHING) == 0
    store.ensure_collection(make_spec(CODE))
    store.upsert(CODE, [make_point(1)])
    assert store.list_collections() == [CODE]
    store.close()


def test_a_drop_that_was_cut_off_is_finished_later(store: EdgePointStore, root: Path) -> None:
    store.upsert(CODE, [make_point(1)])
    store.close()
    (root / ".dropped").mkdir()
    (root / CODE).rename(root / ".dropped" / CODE)
    assert store.list_collections() == []
    store.ensure_collection(make_spec(CODE))
    assert store.count(CODE, EVERYTHING) == 0
    store.drop_collection(CODE)
    assert not (root / ".dropped" / CODE).exists()


def test_an_alias_survives_reopening_and_a_change_that_was_cut_off(
    store: EdgePointStore, root: Path
) -> None:
    store.set_alias("code", CODE)
    (root / ".aliases" / ".code.1.2").write_text("code_half")  # died before the rename
    store.close()
    opened = EdgePointStore(root, PATIENCE_SECONDS)
    assert opened.find_alias("code") == CODE
    assert opened.list_collections() == [CODE]
    opened.ensure_collection(make_spec("code_test-2"))
    opened.set_alias("code", "code_test-2")
    assert opened.find_alias("code") == "code_test-2"
    opened.close()


@pytest.mark.parametrize("name", ["", ".locks", "a/b", "../up", "a b", "ü"])
def test_a_name_that_is_no_folder_is_refused(root: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a collection"):
        EdgePointStore(root).ensure_collection(make_spec(name))
    assert not root.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = EdgePointStore(tmp_path / "file" / "points")
    with pytest.raises(ConfigurationError, match=r"cannot write to .*file/points"):
        store.ensure_collection(make_spec(CODE))


def test_reading_makes_no_files(root: Path) -> None:
    store = EdgePointStore(root)
    assert store.list_collections() == []
    assert list(store.scroll(CODE, EVERYTHING)) == []
    store.drop_collection(CODE)
    assert not root.exists()


# -- damage and wrong input


def test_other_vectors_of_the_same_size_are_refused(root: Path) -> None:
    (root / CODE).mkdir(parents=True)
    vectors = qdrant_edge.EdgeVectorParams(size=4, distance=qdrant_edge.Distance.Dot)
    qdrant_edge.EdgeShard.create(
        str(root / CODE), qdrant_edge.EdgeConfig(vectors={"text": vectors})
    ).close()
    with pytest.raises(StoreMismatchError, match="words with IDF"):
        EdgePointStore(root).ensure_collection(make_spec(CODE))


@pytest.mark.parametrize("content", ["", "{", '{"vectors": 5}'])
def test_a_damaged_collection_says_what_to_do(
    store: EdgePointStore, root: Path, content: str
) -> None:
    store.close()
    (root / CODE / "edge_config.json").write_text(content)
    with pytest.raises(StoreMismatchError, match=r"Move .* away and materialize"):
        store.count(CODE, EVERYTHING)
    with pytest.raises(StoreMismatchError, match=r"Move .* away and materialize"):
        store.ensure_collection(make_spec(CODE))


def test_a_payload_that_is_no_json_changes_nothing(store: EdgePointStore) -> None:
    store.upsert(CODE, [make_point(1, version=1)])
    with pytest.raises(ValueError, match="NaN"):
        store.upsert(CODE, [make_point(1, version=2), make_point(2, weight=float("nan"))])
    (point,) = store.scroll(CODE, EVERYTHING)
    assert point.payload["version"] == 1


# -- waiting


def test_whoever_waits_too_long_learns_for_whom(store: EdgePointStore, root: Path) -> None:
    store.close()
    holder = EdgeLock(root / ".locks", CODE)
    holder.acquire(PATIENCE_SECONDS)
    hasty = EdgePointStore(root, lock_timeout_seconds=0.1)
    with pytest.raises(PointStoreUnavailableError, match=rf"process {os.getpid()} .* on .* since"):
        hasty.count(CODE, EVERYTHING)
    with pytest.raises(PointStoreUnavailableError, match=r"Waited 0\.1 s"):
        hasty.upsert(CODE, [make_point(1)])
    holder.release()
    hasty.upsert(CODE, [make_point(1)])
    assert hasty.count(CODE, EVERYTHING) == 1
    hasty.close()


def test_an_open_collection_is_given_up_when_another_store_wants_it(root: Path) -> None:
    patient = EdgePointStore(root, PATIENCE_SECONDS, keep_open_seconds=600)
    other = EdgePointStore(root, PATIENCE_SECONDS, keep_open_seconds=600)
    patient.ensure_collection(make_spec(CODE))
    for number in range(3):
        patient.upsert(CODE, [make_point(2 * number)])
        other.upsert(CODE, [make_point(2 * number + 1)])
    assert patient.count(CODE, EVERYTHING) == other.count(CODE, EVERYTHING) == 6
    patient.close()
    other.close()


def test_an_idle_collection_is_given_up(root: Path) -> None:
    store = EdgePointStore(root, PATIENCE_SECONDS, keep_open_seconds=0.01)
    store.ensure_collection(make_spec(CODE))
    store.upsert(CODE, [make_point(1)])
    lock = EdgeLock(root / ".locks", CODE)
    lock.acquire(PATIENCE_SECONDS)  # raises if it never comes
    lock.release()
    assert store.count(CODE, EVERYTHING) == 1
    store.close()


def test_without_keeping_it_open_the_lock_is_free_after_every_call(root: Path) -> None:
    store = EdgePointStore(root, keep_open_seconds=0)
    store.ensure_collection(make_spec(CODE))
    store.upsert(CODE, [make_point(1)])
    lock = EdgeLock(root / ".locks", CODE)
    lock.acquire(0)
    lock.release()
    assert store.count(CODE, EVERYTHING) == 1
    lock.acquire(0)
    lock.release()


def test_files_open_outside_the_lock_are_waited_for_and_named(
    store: EdgePointStore, root: Path
) -> None:
    store.close()
    intruder = qdrant_edge.EdgeShard.load(str(root / CODE))
    hasty = EdgePointStore(root, lock_timeout_seconds=0.1)
    with pytest.raises(PointStoreUnavailableError, match="does not use this project's lock"):
        hasty.count(CODE, EVERYTHING)
    intruder.close()
    assert hasty.count(CODE, EVERYTHING) == 0
    hasty.close()


# -- what Edge leaves to us


def test_document_frequencies_leave_deleted_points_out(store: EdgePointStore) -> None:
    # Edge counts deleted points until it opens the shard again; one that still counted them would
    # score the word of the remaining points lower than the fake does.
    fake = FakePointStore([make_spec(CODE)])
    for target in (store, fake):
        target.upsert(CODE, [make_point(n, sparse=words(7)) for n in range(50)])
        target.upsert(CODE, [make_point(n, sparse=words(8)) for n in range(50, 60)])
        target.search_sparse(CODE, words(7), EVERYTHING, 1)
        target.delete(CODE, [make_id(n) for n in range(45)])
    for word in (7, 8):
        found = store.search_sparse(CODE, words(word), EVERYTHING, 1)[0].score
        assert found == pytest.approx(
            fake.search_sparse(CODE, words(word), EVERYTHING, 1)[0].score, rel=1e-5
        )


def test_deleted_points_leave_the_files(store: EdgePointStore, root: Path) -> None:
    store.upsert(CODE, [make_point(n) for n in range(1500)])
    before = {path.name for path in (root / CODE / "segments").iterdir()}
    store.delete(CODE, [make_id(n) for n in range(1400)])
    after = {path.name for path in (root / CODE / "segments").iterdir()}
    assert not before & after, "the optimizer did not write new segments"
    assert store.count(CODE, EVERYTHING) == 100
    store.upsert(CODE, [make_point(n, version=2) for n in range(1390, 1410)])
    assert store.count(CODE, EVERYTHING) == 110
    assert store.count(CODE, where(version=2)) == 20


def test_leftovers_of_a_killed_optimizer_are_removed(store: EdgePointStore, root: Path) -> None:
    store.close()
    leftover = root / CODE / "temp_segments" / "segment_builder_x"
    leftover.mkdir(parents=True)
    assert store.count(CODE, EVERYTHING) == 0
    assert not leftover.exists()


class TestOptimize:
    """A write that was done is not called failed because a segment could not be sealed."""

    class Shard:
        def __init__(self, error: Exception | None) -> None:
            self.error = error

        def optimize(self) -> None:
            if self.error is not None:
                raise self.error

    def optimize(self, error: Exception | None) -> None:
        shard: Any = self.Shard(error)
        edge_collection._optimize("code", shard)

    def test_no_room_is_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        self.optimize(None)
        assert caplog.text == ""
        self.optimize(Exception("Not enough space available for optimization, needed: 220 MiB"))
        assert "'code' takes more memory than it need: Not enough space" in caplog.text
        assert "needed: 220 MiB. Free some space" in caplog.text

    def test_anything_else_is_an_error(self) -> None:
        with pytest.raises(Exception, match="segment is broken"):
            self.optimize(Exception("segment is broken"))
