"""What the served store sends: batches within limits, and collections as they were asked for."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from ingestion_pipeline.core.errors import StoreMismatchError
from ingestion_pipeline.core.points import CollectionSpec, Point, SparseVector
from ingestion_pipeline.points.qdrant_convert import estimate_size_bytes, split_batches, to_model
from ingestion_pipeline.points.qdrant_store import QdrantPointStore
from ingestion_pipeline_tests.points.stores.samples import (
    EVERYTHING,
    make_id,
    make_point,
    make_spec,
)
from ingestion_pipeline_tests.servers.qdrant_rest import QdrantRestServer

CODE = "code_test-1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantRestServer]:
    with QdrantRestServer(tmp_path / "qdrant") as running:
        yield running


def read_upserts(server: QdrantRestServer) -> list[tuple[int, int]]:
    """Points and bytes of every upsert."""
    return [
        (len(request.body["points"]), request.size_bytes)
        for request in server.requests
        if request.method == "PUT" and request.path.endswith("/points")
    ]


def test_upserts_keep_to_both_limits(server: QdrantRestServer) -> None:
    store = QdrantPointStore(server.url, batch_bytes=20_000, batch_points=30)
    store.ensure_collection(make_spec(CODE))
    small = [make_point(n) for n in range(70)]
    large = [make_point(n, signature="ü" * 1000) for n in range(70, 80)]
    huge = make_point(80, signature="x" * 50_000)
    store.upsert(CODE, [*small, *large, huge, make_point(81)])
    upserts = read_upserts(server)
    assert all(count <= 30 for count, _ in upserts)
    assert [size > 20_000 for _, size in upserts].count(True) == 1
    assert upserts[-2][0] == 1, "the huge point came alone"
    assert store.count(CODE, EVERYTHING) == 82
    store.close()


def test_ids_are_sent_in_batches(server: QdrantRestServer) -> None:
    store = QdrantPointStore(server.url, batch_points=10)
    store.ensure_collection(make_spec(CODE))
    store.upsert(CODE, [make_point(n) for n in range(25)])
    assert len(store.retrieve(CODE, [make_id(n) for n in range(25)])) == 25
    store.delete(CODE, [make_id(n) for n in range(25)])
    assert server.count_requests("POST", f"/{CODE}/points") == 3
    assert server.count_requests("POST", "/points/delete") == 3
    assert store.count(CODE, EVERYTHING) == 0
    store.close()


POINTS = st.builds(
    Point,
    id=st.integers(0, 99).map(make_id),
    dense=st.lists(st.floats(-1, 1), min_size=1, max_size=20).map(tuple),
    sparse=st.dictionaries(st.integers(0, 2**32 - 1), st.floats(0.1, 9), max_size=10).map(
        lambda words: SparseVector(tuple(words), tuple(words.values()))
    ),
    payload=st.dictionaries(st.text(max_size=5), st.text(max_size=200) | st.integers(), max_size=5),
)


@given(
    points=st.lists(POINTS, max_size=20),
    batch_points=st.integers(1, 7),
    batch_bytes=st.integers(1, 4000),
)
def test_batches_hold_every_point_once_in_order(
    points: list[Point], batch_points: int, batch_bytes: int
) -> None:
    batches = list(split_batches(points, batch_points=batch_points, batch_bytes=batch_bytes))
    assert [point for batch in batches for point in batch] == points
    for batch in batches:
        assert 0 < len(batch) <= batch_points
        assert len(batch) == 1 or sum(map(estimate_size_bytes, batch)) <= batch_bytes


@given(point=POINTS)
def test_a_size_is_never_estimated_too_small(point: Point) -> None:
    sent = json.dumps(to_model(point).model_dump(mode="json"), ensure_ascii=False)
    assert len(sent.encode()) <= estimate_size_bytes(point)


def test_a_collection_is_created_as_the_settings_say(server: QdrantRestServer) -> None:
    store = QdrantPointStore(server.url, shard_number=6, replication_factor=2)
    store.ensure_collection(CollectionSpec(CODE, 256))
    (creation,) = [r.body for r in server.requests if r.method == "PUT" and r.path.endswith(CODE)]
    assert creation["vectors"]["text"]["size"] == 256
    assert creation["vectors"]["text"]["distance"] == "Cosine"
    assert creation["sparse_vectors"]["words"]["modifier"] == "idf"
    assert (creation["shard_number"], creation["replication_factor"]) == (6, 2)
    store.close()


def test_indexes_are_created_once_and_added_when_missing(server: QdrantRestServer) -> None:
    store = QdrantPointStore(server.url)
    store.ensure_collection(make_spec(CODE))
    store.ensure_collection(make_spec(CODE))
    assert server.count_requests("PUT", "/index") == 2
    store.ensure_collection(CollectionSpec(CODE, 4, ("kind", "language")))
    client = QdrantClient(url=server.url, check_compatibility=False)
    schema = client.get_collection(CODE).payload_schema
    tenants = {
        field: isinstance(index.params, models.KeywordIndexParams) and index.params.is_tenant
        for field, index in schema.items()
    }
    assert tenants == {"source": True, "kind": False, "language": False}
    client.close()
    store.close()


@pytest.mark.parametrize(
    "vectors",
    [
        models.VectorParams(size=4, distance=models.Distance.COSINE),
        {"text": models.VectorParams(size=4, distance=models.Distance.DOT)},
        {"text": models.VectorParams(size=4, distance=models.Distance.COSINE)},
    ],
    ids=["unnamed", "dot", "no words"],
)
def test_other_vectors_of_the_same_size_are_refused(
    vectors: models.VectorParams | dict[str, models.VectorParams],
) -> None:
    client = QdrantClient(":memory:")
    client.create_collection(CODE, vectors_config=vectors)
    store = QdrantPointStore(client=client)
    with pytest.raises(StoreMismatchError, match="words with IDF"):
        store.ensure_collection(make_spec(CODE))
    store.close()


def test_an_unmodified_client_speaks_with_the_test_server(server: QdrantRestServer) -> None:
    client = QdrantClient(url=server.url)
    for thread in threading.enumerate():
        if "_check_compatibility" in thread.name:  # a warning there would fail this test
            thread.join()
    assert client.info().version.startswith("1.")
    assert client.get_collections().collections == []
    client.close()
