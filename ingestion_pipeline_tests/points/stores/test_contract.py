"""What the port promises of collections, writes and reads, on the fake and every adapter."""

import math

import pytest

from ingestion_pipeline.core.errors import StoreMismatchError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import Point, PointFilter, SparseVector
from ingestion_pipeline_tests.points.stores.samples import (
    EVERYTHING,
    make_id,
    make_point,
    make_spec,
    normalise,
    where,
    words,
)


def read_payload(store: PointStore, collection: str, number: int) -> dict[str, object]:
    (point,) = store.retrieve(collection, [make_id(number)])
    return dict(point.payload)


# -- collections


def test_ensuring_a_collection_twice_keeps_its_points(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1)])
    store.ensure_collection(make_spec(collection))
    assert store.count(collection, EVERYTHING) == 1


def test_a_collection_of_another_size_is_refused(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1)])
    with pytest.raises(StoreMismatchError, match=collection):
        store.ensure_collection(make_spec(collection, dense_size=8))
    assert store.count(collection, EVERYTHING) == 1


def test_collections_are_listed_by_name(store: PointStore, prefix: str) -> None:
    for ending in ("b", "a", "c"):
        store.ensure_collection(make_spec(f"{prefix}_{ending}"))
    names = [name for name in store.list_collections() if name.startswith(prefix)]
    assert names == [f"{prefix}_a", f"{prefix}_b", f"{prefix}_c"]


def test_a_dropped_collection_is_gone_and_can_be_made_anew(
    store: PointStore, collection: str
) -> None:
    store.upsert(collection, [make_point(1)])
    store.drop_collection(collection)
    assert collection not in store.list_collections()
    assert store.count(collection, EVERYTHING) == 0
    store.ensure_collection(make_spec(collection, dense_size=8))
    assert store.count(collection, EVERYTHING) == 0


def test_dropping_what_is_not_there_does_nothing(store: PointStore, prefix: str) -> None:
    store.drop_collection(f"{prefix}_none")
    assert f"{prefix}_none" not in store.list_collections()


# -- aliases


def test_an_alias_names_one_collection_at_a_time(store: PointStore, prefix: str) -> None:
    for ending in ("a", "b"):
        store.ensure_collection(make_spec(f"{prefix}_{ending}"))
    assert store.find_alias(prefix) is None
    for ending in ("a", "b", "b", "a"):
        store.set_alias(prefix, f"{prefix}_{ending}")
        assert store.find_alias(prefix) == f"{prefix}_{ending}"
    assert store.find_alias(f"{prefix}_a") is None
    named = [name for name in store.list_collections() if name.startswith(prefix)]
    assert named == [f"{prefix}_a", f"{prefix}_b"]


def test_an_alias_ends_with_its_collection(store: PointStore, prefix: str) -> None:
    for ending in ("a", "b"):
        store.ensure_collection(make_spec(f"{prefix}_{ending}"))
    store.set_alias(prefix, f"{prefix}_a")
    store.drop_collection(f"{prefix}_a")
    assert store.find_alias(prefix) is None
    store.set_alias(prefix, f"{prefix}_b")
    assert store.find_alias(prefix) == f"{prefix}_b"


def test_an_alias_needs_a_collection_and_a_name_of_its_own(store: PointStore, prefix: str) -> None:
    store.ensure_collection(make_spec(f"{prefix}_a"))
    with pytest.raises(StoreMismatchError, match="does not exist"):
        store.set_alias(prefix, f"{prefix}_none")
    store.ensure_collection(make_spec(f"{prefix}_b"))
    with pytest.raises(StoreMismatchError, match="cannot be an alias"):
        store.set_alias(f"{prefix}_b", f"{prefix}_a")
    assert store.find_alias(prefix) is None


def test_a_missing_collection_reads_as_empty(store: PointStore, prefix: str) -> None:
    missing = f"{prefix}_none"
    assert store.retrieve(missing, [make_id(1)], with_vectors=True) == []
    assert list(store.scroll(missing, EVERYTHING)) == []
    assert store.count(missing, where(branch="main")) == 0
    assert store.search_dense(missing, (1.0, 0.0, 0.0, 0.0), EVERYTHING, 5) == []
    assert store.search_sparse(missing, words(1), EVERYTHING, 5) == []
    assert missing not in store.list_collections()


def test_writing_to_a_missing_collection_is_refused(store: PointStore, prefix: str) -> None:
    missing = f"{prefix}_none"
    with pytest.raises(StoreMismatchError, match="does not exist"):
        store.upsert(missing, [make_point(1)])
    with pytest.raises(StoreMismatchError, match="does not exist"):
        store.delete(missing, [make_id(1)])
    with pytest.raises(StoreMismatchError, match="does not exist"):
        store.delete_matching(missing, where(branch="main"))
    assert missing not in store.list_collections()


def test_collections_do_not_see_each_other(store: PointStore, collection: str, prefix: str) -> None:
    other = f"{prefix}_other"
    store.ensure_collection(make_spec(other))
    store.upsert(collection, [make_point(1), make_point(2)])
    store.upsert(other, [make_point(2)])
    store.delete(other, [make_id(2)])
    assert store.count(collection, EVERYTHING) == 2
    assert store.count(other, EVERYTHING) == 0


# -- writes


def test_an_upsert_can_be_repeated(store: PointStore, collection: str) -> None:
    for _ in range(3):
        store.upsert(collection, [make_point(1), make_point(2)])
    assert store.count(collection, EVERYTHING) == 2


def test_an_upsert_replaces_payload_and_vectors_whole(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1, sparse=words(7, 8), old_key="stays?", kind="file")])
    store.upsert(collection, [make_point(1, dense=(0, 1, 0, 0), sparse=words(9), kind="class")])
    (point,) = store.retrieve(collection, [make_id(1)], with_vectors=True)
    assert point.payload == make_point(1, kind="class").payload
    assert point.dense == pytest.approx((0, 1, 0, 0), abs=1e-5)
    assert point.sparse == words(9)
    assert store.search_sparse(collection, words(7), EVERYTHING, 5) == []
    assert store.count(collection, where(kind="file")) == 0


def test_the_last_of_two_points_with_one_id_stays(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1, version=1), make_point(1, version=2)])
    assert read_payload(store, collection, 1)["version"] == 2


def test_writing_nothing_does_nothing(store: PointStore, collection: str) -> None:
    store.upsert(collection, [])
    store.delete(collection, [])
    assert store.count(collection, EVERYTHING) == 0


def test_1500_points_in_one_upsert(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(number) for number in range(1500)])
    assert store.count(collection, EVERYTHING) == 1500
    found = store.retrieve(collection, [make_id(number) for number in range(1500)])
    assert {point.id for point in found} == {make_id(number) for number in range(1500)}
    store.delete(collection, [make_id(number) for number in range(1, 1500)])
    assert [point.id for point in store.scroll(collection, EVERYTHING)] == [make_id(0)]


def test_deleting_unknown_ids_is_ignored(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1), make_point(2)])
    store.delete(collection, [make_id(2), make_id(99), make_id(2)])
    assert [point.id for point in store.scroll(collection, EVERYTHING)] == [make_id(1)]


def test_deleting_what_matches(store: PointStore, collection: str) -> None:
    store.upsert(
        collection,
        [
            make_point(1, branch="main", kind="file"),
            make_point(2, branch="main", kind="class"),
            make_point(3, branch="dev", kind="file"),
        ],
    )
    store.delete_matching(collection, where(branch="main", kind=("file", "function")))
    remaining = {point.id for point in store.scroll(collection, EVERYTHING)}
    assert remaining == {make_id(2), make_id(3)}


def test_deleting_by_an_empty_filter_is_refused(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1)])
    with pytest.raises(ValueError, match="empty filter"):
        store.delete_matching(collection, PointFilter({}))
    assert store.count(collection, EVERYTHING) == 1


def test_a_point_of_another_size_is_refused(store: PointStore, collection: str) -> None:
    with pytest.raises(StoreMismatchError):
        store.upsert(collection, [make_point(1, dense=(1.0, 0.0))])
    store.upsert(collection, [make_point(2)])
    assert [point.id for point in store.scroll(collection, EVERYTHING)] == [make_id(2)]


# -- reads


def test_vectors_come_back_when_asked_for(store: PointStore, collection: str) -> None:
    dense = normalise((0.3, -0.2, 0.7, 0.1))
    sparse = SparseVector((3, 70_000, 2**32 - 1), (0.5, 1.75, 2.0))
    store.upsert(collection, [make_point(1, dense=dense, sparse=sparse)])
    (bare,) = store.retrieve(collection, [make_id(1)])
    assert (bare.dense, bare.sparse) == (None, None)
    (point,) = store.retrieve(collection, [make_id(1)], with_vectors=True)
    assert point.dense == pytest.approx(dense, abs=1e-5)
    assert point.sparse == sparse


def test_unit_vectors_stay_unit_vectors(store: PointStore, collection: str) -> None:
    store.upsert(
        collection, [make_point(n, dense=(n + 1, 0.5 * n, -2.0, 1 / (n + 1))) for n in range(20)]
    )
    lengths = [
        math.hypot(*point.dense)
        for point in store.scroll(collection, EVERYTHING, with_vectors=True)
        if point.dense
    ]
    assert lengths == pytest.approx([1.0] * 20, abs=1e-5)


def test_a_point_without_words(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1, sparse=words()), make_point(2, sparse=words(5))])
    (point,) = store.retrieve(collection, [make_id(1)], with_vectors=True)
    assert point.sparse == SparseVector((), ())
    assert [hit.id for hit in store.search_sparse(collection, words(5), EVERYTHING, 5)] == [
        make_id(2)
    ]
    store.upsert(collection, [make_point(2, sparse=words())])
    assert store.search_sparse(collection, words(5), EVERYTHING, 5) == []


def test_payloads_come_back_as_they_went(store: PointStore, collection: str) -> None:
    payload = {
        "symbol": "Größe.计算_😀",
        "signature": 'def f(a="\\n\\"x\\""):\t…',
        "nested": {"deep": [1, 2.5, None, True, "ü"]},
        "lines": [1, 2, 3],
        "start_line": 12,
        "last_pushed_at": "2026-01-31T12:00:00Z",
        "nothing": None,
        "empty": "",
    }
    store.upsert(collection, [make_point(1, **payload)])
    assert read_payload(store, collection, 1) == make_point(1, **payload).payload
    assert store.count(collection, where(symbol="Größe.计算_😀")) == 1


def test_retrieving_unknown_and_repeated_ids(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1), make_point(2)])
    found = store.retrieve(collection, [make_id(2), make_id(99), make_id(1), make_id(2)])
    assert sorted(point.id for point in found) == sorted([make_id(1), make_id(2)])
    assert store.retrieve(collection, []) == []


@pytest.mark.parametrize("batch_size", [1, 7, 20, 1000])
def test_scrolling_yields_every_point_once_by_id(
    store: PointStore, collection: str, batch_size: int
) -> None:
    points = [make_point(n, kind="file" if n % 3 else "class") for n in range(40)]
    store.upsert(collection, points)
    seen = [p.id for p in store.scroll(collection, EVERYTHING, batch_size=batch_size)]
    assert seen == sorted(point.id for point in points)
    seen = [p.id for p in store.scroll(collection, where(kind="class"), batch_size=batch_size)]
    assert seen == sorted(point.id for point in points if point.payload["kind"] == "class")


def test_scrolling_shows_payloads_and_vectors(store: PointStore, collection: str) -> None:
    points = {make_id(n): make_point(n, dense=(1, n, 0, 0), version=n) for n in range(5)}
    store.upsert(collection, list(points.values()))
    for shown in store.scroll(collection, EVERYTHING, with_vectors=True, batch_size=2):
        assert shown.payload == points[shown.id].payload
        assert shown.dense == pytest.approx(points[shown.id].dense, abs=1e-5)
        assert shown.sparse == points[shown.id].sparse


def test_writing_while_scrolling_does_not_block(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(n) for n in range(10)])
    for point in store.scroll(collection, EVERYTHING, batch_size=3):
        store.delete(collection, [point.id])
    assert store.count(collection, EVERYTHING) == 0


def test_counts_are_exact_for_every_filter(store: PointStore, collection: str) -> None:
    points: list[Point] = [
        make_point(n, kind=("file", "class", "function")[n % 3], start_line=n % 5, tags=["x", "y"])
        for n in range(60)
    ]
    store.upsert(collection, points)
    assert store.count(collection, EVERYTHING) == 60
    assert store.count(collection, where(kind="class")) == 20
    assert store.count(collection, where(kind=("class", "file", "none"))) == 40
    assert store.count(collection, where(kind="class", branch="main")) == 20
    assert store.count(collection, where(kind="class", branch="dev")) == 0
    assert store.count(collection, where(start_line=3)) == 12
    assert store.count(collection, where(start_line=3, kind="file")) == 4
    assert store.count(collection, where(kind=())) == 0
    assert store.count(collection, where(unknown="x")) == 0
    assert store.count(collection, where(tags="y")) == 60
    assert store.count(collection, where(path="FILE1.py")) == 0
