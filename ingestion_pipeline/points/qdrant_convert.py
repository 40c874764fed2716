"""Between the types of ``core`` and qdrant-client's models; the sizes of requests."""

import json
from collections.abc import Iterable, Iterator

from qdrant_client import models

from ingestion_pipeline.core.points import (
    DENSE_VECTOR,
    SPARSE_VECTOR,
    Point,
    PointFilter,
    ScoredPoint,
    SparseVector,
    StoredPoint,
)

# JSON writes a float32 that Python holds as a float64 with up to 20 characters, an index with up to
# 10, and a comma after each.
_FLOAT_BYTES = 21
_INDEX_BYTES = 11
_ENVELOPE_BYTES = 150


def to_model(point: Point) -> models.PointStruct:
    """Return the point as the client takes it; a point without words has no sparse vector."""
    vectors: dict[str, models.Vector] = {DENSE_VECTOR: list(point.dense)}
    if point.sparse.indices:
        vectors[SPARSE_VECTOR] = to_sparse_model(point.sparse)
    return models.PointStruct(id=point.id, vector=vectors, payload=dict(point.payload))


def to_sparse_model(vector: SparseVector) -> models.SparseVector:
    """Return the sparse vector as the client takes it."""
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def to_filter_model(where: PointFilter) -> models.Filter | None:
    """Return the filter as the client takes it, None for one that matches everything."""
    if not where.equals:
        return None
    return models.Filter(
        must=[
            models.FieldCondition(
                key=field,
                match=models.MatchAny(any=list(value))
                if isinstance(value, tuple)
                else models.MatchValue(value=value),
            )
            for field, value in where.equals.items()
        ]
    )


def to_stored_point(record: models.Record, *, with_vectors: bool) -> StoredPoint:
    """Return the record as a point of ours, with its vectors where they were asked for."""
    payload = record.payload or {}
    if not with_vectors:
        return StoredPoint(id=str(record.id), payload=payload)
    if not isinstance(record.vector, dict):
        raise TypeError(f"point {record.id} came without named vectors")
    dense, sparse = record.vector[DENSE_VECTOR], record.vector.get(SPARSE_VECTOR)
    if not isinstance(dense, list):
        raise TypeError(f"the dense vector of point {record.id} came as {type(dense).__name__}")
    return StoredPoint(
        id=str(record.id),
        payload=payload,
        dense=tuple(float(value) for value in dense if not isinstance(value, list)),
        sparse=SparseVector(tuple(sparse.indices), tuple(sparse.values))
        if isinstance(sparse, models.SparseVector)
        else SparseVector((), ()),
    )


def to_scored_point(hit: models.ScoredPoint) -> ScoredPoint:
    """Return the hit as one of ours."""
    return ScoredPoint(id=str(hit.id), score=hit.score, payload=hit.payload or {})


def estimate_size_bytes(point: Point) -> int:
    """Return about how many bytes the point takes in a request, rather too many than too few."""
    return (
        _ENVELOPE_BYTES
        + _FLOAT_BYTES * len(point.dense)
        + (_INDEX_BYTES + _FLOAT_BYTES) * len(point.sparse.indices)
        + len(json.dumps(dict(point.payload)))
    )


def split_batches(
    points: Iterable[Point], *, batch_points: int, batch_bytes: int
) -> Iterator[list[Point]]:
    """Yield the points in order, in lists within both limits.

    A point that is larger than ``batch_bytes`` by itself comes alone.
    """
    batch: list[Point] = []
    batch_size_bytes = 0
    for point in points:
        size_bytes = estimate_size_bytes(point)
        if batch and (len(batch) == batch_points or batch_size_bytes + size_bytes > batch_bytes):
            yield batch
            batch, batch_size_bytes = [], 0
        batch.append(point)
        batch_size_bytes += size_bytes
    if batch:
        yield batch
