"""What the port promises of searches, on the fake and every adapter."""

import pytest

from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline_tests.points.stores.samples import (
    EVERYTHING,
    make_id,
    make_point,
    normalise,
    where,
    words,
)

COMMON, RARE, OTHER = 10, 20, 30


def test_dense_search_orders_by_cosine(store: PointStore, collection: str) -> None:
    vectors = {1: (1, 0, 0, 0), 2: (1, 1, 0, 0), 3: (0, 1, 0, 0), 4: (-1, 0.1, 0, 0)}
    store.upsert(collection, [make_point(n, dense=v, number=n) for n, v in vectors.items()])
    query = (3.0, 1.0, 0.0, 0.0)
    hits = store.search_dense(collection, query, EVERYTHING, 10)
    assert [hit.id for hit in hits] == [make_id(1), make_id(2), make_id(3), make_id(4)]
    assert [hit.payload["number"] for hit in hits] == [1, 2, 3, 4]
    expected = [
        sum(a * b for a, b in zip(normalise(query), normalise(vectors[n]), strict=True))
        for n in (1, 2, 3, 4)
    ]
    assert [hit.score for hit in hits] == pytest.approx(expected, abs=1e-5)


def test_dense_search_keeps_to_filter_and_limit(store: PointStore, collection: str) -> None:
    store.upsert(
        collection,
        [make_point(n, dense=(1, n, 0, 0), kind="file" if n % 2 else "class") for n in range(20)],
    )
    hits = store.search_dense(collection, (1.0, 0.0, 0.0, 0.0), where(kind="file"), 3)
    assert [hit.id for hit in hits] == [make_id(1), make_id(3), make_id(5)]
    hits = store.search_dense(collection, (1.0, 0.0, 0.0, 0.0), where(kind=("file", "class")), 100)
    assert [hit.id for hit in hits] == [make_id(n) for n in range(20)]
    assert store.search_dense(collection, (1.0, 0.0, 0.0, 0.0), where(kind="none"), 3) == []


def test_a_rare_word_outranks_a_common_one(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(n, sparse=words(COMMON)) for n in range(30)])
    store.upsert(collection, [make_point(100, sparse=words(RARE))])
    hits = store.search_sparse(collection, words(COMMON, RARE), EVERYTHING, 5)
    assert hits[0].id == make_id(100)
    assert hits[0].score > 10 * hits[1].score > 0
    assert len(hits) == 5


def test_sparse_search_weighs_by_the_documents_words(store: PointStore, collection: str) -> None:
    store.upsert(
        collection,
        [
            make_point(1, sparse=words(COMMON)),
            make_point(2, sparse=words(COMMON, value=2.0)),
            make_point(3, sparse=words(COMMON, OTHER)),
            make_point(4, sparse=words(OTHER)),
            make_point(5, sparse=words(RARE)),
        ],
    )
    hits = store.search_sparse(collection, words(COMMON, OTHER), EVERYTHING, 10)
    assert {hit.id for hit in hits} == {make_id(n) for n in (1, 2, 3, 4)}
    scores = {hit.id: hit.score for hit in hits}
    assert scores[make_id(2)] == pytest.approx(2 * scores[make_id(1)], rel=1e-4)
    assert scores[make_id(3)] == pytest.approx(scores[make_id(1)] + scores[make_id(4)], rel=1e-4)
    assert hits == sorted(hits, key=lambda hit: -hit.score)


def test_document_frequency_counts_the_whole_collection(store: PointStore, collection: str) -> None:
    # Within branch "dev" both words are equally rare; only the other branch tells them apart.
    store.upsert(collection, [make_point(n, sparse=words(COMMON)) for n in range(30)])
    store.upsert(
        collection,
        [
            make_point(100, sparse=words(COMMON), branch="dev"),
            make_point(101, sparse=words(RARE), branch="dev"),
        ],
    )
    hits = store.search_sparse(collection, words(COMMON, RARE), where(branch="dev"), 5)
    assert [hit.id for hit in hits] == [make_id(101), make_id(100)]
    assert hits[0].score > 10 * hits[1].score


def test_sparse_search_keeps_to_filter_and_limit(store: PointStore, collection: str) -> None:
    store.upsert(
        collection,
        [
            make_point(n, sparse=words(COMMON, value=1.0 + n), kind="file" if n % 2 else "class")
            for n in range(10)
        ],
    )
    hits = store.search_sparse(collection, words(COMMON), where(kind="file"), 2)
    assert [hit.id for hit in hits] == [make_id(9), make_id(7)]
    assert store.search_sparse(collection, words(999), EVERYTHING, 5) == []
    assert store.search_sparse(collection, words(), EVERYTHING, 5) == []


def test_searches_see_what_was_written_a_moment_ago(store: PointStore, collection: str) -> None:
    store.upsert(collection, [make_point(1, sparse=words(RARE)), make_point(2, sparse=words(RARE))])
    assert len(store.search_sparse(collection, words(RARE), EVERYTHING, 5)) == 2
    store.delete(collection, [make_id(1)])
    assert [h.id for h in store.search_sparse(collection, words(RARE), EVERYTHING, 5)] == [
        make_id(2)
    ]
    hits = store.search_dense(collection, (1.0, 0.0, 0.0, 0.0), EVERYTHING, 5)
    assert [hit.id for hit in hits] == [make_id(2)]
