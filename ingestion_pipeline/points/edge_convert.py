"""Between the types of ``core`` and those of Qdrant Edge 0.9.0."""

import qdrant_edge

from ingestion_pipeline.core.points import (
    DENSE_VECTOR,
    SPARSE_VECTOR,
    CollectionSpec,
    Point,
    PointFilter,
    ScoredPoint,
    SparseVector,
    StoredPoint,
)

# Dense vectors, in KiB, after which the optimizer seals a segment: its indexes go from memory to
# files that are read when asked. Measured with 256 dimensions and 14 words a point: at 200,000
# points, writing takes a third longer, opening half as long, and the process holds 325 MiB instead
# of 830; at 600,000 points 450 MiB.
SEAL_KIB = 50_000
_COLD = qdrant_edge.Memory.Cold


def make_config(spec: CollectionSpec, seal_kib: int = SEAL_KIB) -> qdrant_edge.EdgeConfig:
    """Return the configuration of a new shard.

    No HNSW graph is built (``m`` is 0): an exact search takes 12 ms at 200,000 points and grows in
    proportion. Who has many millions of points runs a server.
    """
    return qdrant_edge.EdgeConfig(
        vectors={
            DENSE_VECTOR: qdrant_edge.EdgeVectorParams(
                size=spec.dense_size, distance=qdrant_edge.Distance.Cosine, memory=_COLD
            )
        },
        sparse_vectors={
            SPARSE_VECTOR: qdrant_edge.EdgeSparseVectorParams(
                modifier=qdrant_edge.Modifier.Idf, memory=_COLD
            )
        },
        id_tracker_memory=_COLD,
        hnsw_config=qdrant_edge.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=0),
        optimizers=qdrant_edge.EdgeOptimizersConfig(
            indexing_threshold=seal_kib, max_segment_size=2 * seal_kib, default_segment_number=2
        ),
    )


def make_index(field: str, *, is_tenant: bool) -> qdrant_edge.UpdateOperation:
    """Return the operation that adds a keyword index."""
    return qdrant_edge.UpdateOperation.create_field_index(
        field, qdrant_edge.KeywordIndexParams(is_tenant=is_tenant, memory=_COLD)
    )


def to_edge_point(point: Point) -> qdrant_edge.Point:
    """Return the point as Edge takes it; a point without words has no sparse vector.

    Raises:
        ValueError: The id is no UUID, or a number of the payload is not finite.
        TypeError: The payload holds something other than JSON values.
    """
    vectors: dict[str, qdrant_edge.NamedVector] = {DENSE_VECTOR: list(point.dense)}
    if point.sparse.indices:
        vectors[SPARSE_VECTOR] = to_edge_sparse(point.sparse)
    return qdrant_edge.Point(id=point.id, vector=vectors, payload=dict(point.payload))


def to_edge_sparse(vector: SparseVector) -> qdrant_edge.SparseVector:
    """Return the sparse vector as Edge takes it."""
    return qdrant_edge.SparseVector(list(vector.indices), list(vector.values))


def to_edge_filter(where: PointFilter) -> qdrant_edge.Filter | None:
    """Return the filter as Edge takes it, None for one that matches everything."""
    if not where.equals:
        return None
    return qdrant_edge.Filter(
        must=[
            qdrant_edge.FieldCondition(
                key=field,
                match=qdrant_edge.MatchAny(list(value))
                if isinstance(value, tuple)
                else qdrant_edge.MatchValue(value),
            )
            for field, value in where.equals.items()
        ]
    )


def to_stored_point(record: qdrant_edge.Record, *, with_vectors: bool) -> StoredPoint:
    """Return the record as a point of ours, with its vectors where they were asked for."""
    payload = record.payload or {}
    if not with_vectors:
        return StoredPoint(id=str(record.id), payload=payload)
    if not isinstance(record.vector, dict):
        raise TypeError(f"point {record.id} came without named vectors")
    return StoredPoint(
        id=str(record.id),
        payload=payload,
        dense=_read_dense(record.vector[DENSE_VECTOR]),
        sparse=_read_sparse(record.vector.get(SPARSE_VECTOR)),
    )


def to_scored_point(hit: qdrant_edge.ScoredPoint) -> ScoredPoint:
    """Return the hit as one of ours."""
    return ScoredPoint(id=str(hit.id), score=hit.score, payload=hit.payload or {})


def _read_dense(vector: object) -> tuple[float, ...]:
    if not isinstance(vector, list):
        raise TypeError(f"a dense vector came as {type(vector).__name__}")
    return tuple(vector)


def _read_sparse(vector: object) -> SparseVector:
    if not isinstance(vector, qdrant_edge.SparseVector):
        return SparseVector((), ())
    return SparseVector(tuple(vector.indices), tuple(vector.values))
