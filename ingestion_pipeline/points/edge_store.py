"""The embedded point store: Qdrant Edge in a folder, for one machine and no server."""

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import qdrant_edge

from ingestion_pipeline.core.errors import StoreMismatchError
from ingestion_pipeline.core.point_store import PointStore
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
from ingestion_pipeline.points.edge_collection import EdgeCollection
from ingestion_pipeline.points.edge_convert import (
    SEAL_KIB,
    make_config,
    make_index,
    to_edge_filter,
    to_edge_point,
    to_edge_sparse,
    to_scored_point,
    to_stored_point,
)
from ingestion_pipeline.points.edge_folder import EdgeFolder

BATCH_POINTS = 1000


class EdgePointStore(PointStore):
    """Points in a folder of this machine (qdrant-edge-py 0.9.0), one shard per collection.

    Processes that use the same folder wait for one another, readers too, and take turns. Every
    method may raise ``PointStoreUnavailableError`` when that took longer than the lock timeout. The
    folder must be on a local disk, and a store must not be used on both sides of a ``fork``.

    Args:
        root: Folder of the store; created with the first collection.
        lock_timeout_seconds: How long to wait for other processes.
        keep_open_seconds: How long a collection stays open after a call while nobody else wants it,
            see ``edge_collection``; 0 closes it after every call.
        seal_kib: Dense vectors after which a segment is sealed, see ``edge_convert``; for
            collections that this object creates.
    """

    def __init__(
        self,
        root: Path,
        lock_timeout_seconds: float = 600,
        keep_open_seconds: float = 60,
        seal_kib: int = SEAL_KIB,
    ) -> None:
        self._folder = EdgeFolder(root)
        self._lock_timeout_seconds = lock_timeout_seconds
        self._keep_open_seconds = keep_open_seconds
        self._seal_kib = seal_kib
        self._collections: dict[str, EdgeCollection] = {}
        self._guard = threading.Lock()

    def ensure_collection(self, spec: CollectionSpec) -> None:
        """Create the collection and its payload indexes where they are missing; idempotent.

        Raises:
            StoreMismatchError: It exists with other vectors.
        """
        collection = self._get(spec.name)
        if not self._folder.exists(spec.name):
            with collection.alone():
                if not self._folder.exists(spec.name):
                    self._folder.create(
                        spec.name, lambda path: _build_shard(path, spec, self._seal_kib)
                    )
                    return
        with collection.reading() as shard:
            missing = [] if shard is None else _list_missing_indexes(shard, spec)
        _check_config(spec, self._folder.read_config(spec.name))
        if missing:
            with collection.writing() as shard:
                for field in missing:
                    shard.update(make_index(field, is_tenant=field == spec.tenant_field))

    def list_collections(self) -> list[str]:
        """Return the names of all collections, sorted."""
        return self._folder.list_collections()

    def drop_collection(self, collection: str) -> None:
        """Delete a collection with all its points; nothing happens when there is none."""
        if self._folder.exists(collection):
            with self._get(collection).alone():
                self._folder.drop(collection)

    def set_alias(self, alias: str, collection: str) -> None:
        """Make a name stand for a collection, in one step, whatever it stood for before.

        Raises:
            StoreMismatchError: There is no such collection, or the alias is the name of one.
        """
        self._folder.set_alias(alias, collection)

    def find_alias(self, alias: str) -> str | None:
        """Return the collection that a name stands for; None for none, or one that is gone."""
        return self._folder.find_alias(alias)

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert or replace points, whole, in batches of 1,000, made durable together."""
        if not points:
            return
        remaining = map(to_edge_point, points)
        with self._get(collection).writing() as shard:
            while batch := list(islice(remaining, BATCH_POINTS)):
                self._folder.require_space()
                shard.update(qdrant_edge.UpdateOperation.upsert_points(batch))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Delete points by id; unknown ids are ignored."""
        if not ids:
            return
        with self._get(collection).writing() as shard:
            shard.update(qdrant_edge.UpdateOperation.delete_points(list(ids)))

    def delete_matching(self, collection: str, where: PointFilter) -> None:
        """Delete every point that matches.

        Raises:
            ValueError: The filter is empty, which would delete everything.
        """
        conditions = to_edge_filter(where)
        if conditions is None:
            raise ValueError(
                "An empty filter would delete every point; drop the collection instead."
            )
        with self._get(collection).writing() as shard:
            shard.update(qdrant_edge.UpdateOperation.delete_points_by_filter(conditions))

    def retrieve(
        self, collection: str, ids: Sequence[str], *, with_vectors: bool = False
    ) -> list[StoredPoint]:
        """Return the points that exist among ``ids``, in no particular order."""
        with self._get(collection).reading() as shard:
            if shard is None:
                return []
            records = shard.retrieve(
                list(dict.fromkeys(ids)), with_payload=True, with_vector=with_vectors
            )
        return [to_stored_point(record, with_vectors=with_vectors) for record in records]

    def scroll(
        self,
        collection: str,
        where: PointFilter,
        *,
        with_vectors: bool = False,
        batch_size: int = 1000,
    ) -> Iterator[StoredPoint]:
        """Yield every matching point once, ordered by id.

        The collection is free for others between two batches.
        """
        offset = None
        while True:
            request = qdrant_edge.ScrollRequest(
                offset=offset,
                limit=batch_size,
                filter=to_edge_filter(where),
                with_payload=True,
                with_vector=with_vectors,
            )
            with self._get(collection).reading() as shard:
                if shard is None:
                    return
                records, offset = shard.scroll(request)
            for record in records:
                yield to_stored_point(record, with_vectors=with_vectors)
            if offset is None:
                return

    def count(self, collection: str, where: PointFilter) -> int:
        """Return the exact number of matching points."""
        with self._get(collection).reading() as shard:
            if shard is None:
                return 0
            return shard.count(qdrant_edge.CountRequest(exact=True, filter=to_edge_filter(where)))

    def search_dense(
        self, collection: str, vector: Sequence[float], where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        """Return the nearest points by cosine similarity, best first; exact."""
        query = qdrant_edge.Query.Nearest(list(vector), using=DENSE_VECTOR)
        with self._get(collection).reading() as shard:
            return [] if shard is None else _search(shard, query, where, limit)

    def search_sparse(
        self, collection: str, vector: SparseVector, where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        """Return the best points by dot product with inverse document frequency, best first.

        The document frequency is counted over the whole collection; in sealed segments with what
        was deleted there since, up to a fifth of each (a Qdrant server does the same). A word of
        which nearly all points were deleted or rewritten counts as common until then.
        """
        query = qdrant_edge.Query.Nearest(to_edge_sparse(vector), using=SPARSE_VECTOR)
        with self._get(collection).reading(exact_statistics=True) as shard:
            return [] if shard is None else _search(shard, query, where, limit)

    def close(self) -> None:
        """Close every shard and give the locks up; the store is not used afterwards."""
        for collection in list(self._collections.values()):
            collection.close()

    def _get(self, name: str) -> EdgeCollection:
        with self._guard:
            if name not in self._collections:
                self._collections[name] = EdgeCollection(
                    self._folder, name, self._lock_timeout_seconds, self._keep_open_seconds
                )
            return self._collections[name]


def _build_shard(path: Path, spec: CollectionSpec, seal_kib: int) -> None:
    shard = qdrant_edge.EdgeShard.create(str(path), make_config(spec, seal_kib))
    for field in _list_missing_indexes(shard, spec):
        shard.update(make_index(field, is_tenant=field == spec.tenant_field))
    shard.flush()
    shard.close()


def _list_missing_indexes(shard: qdrant_edge.EdgeShard, spec: CollectionSpec) -> list[str]:
    wanted = dict.fromkeys((spec.tenant_field, *spec.keyword_indexes))
    return [field for field in wanted if field not in shard.info().payload_schema]


def _check_config(spec: CollectionSpec, config: dict[str, Any]) -> None:
    dense = config.get("vectors", {}).get(DENSE_VECTOR, {})
    sparse = config.get("sparse_vectors", {}).get(SPARSE_VECTOR, {})
    found = (dense.get("size"), dense.get("distance"), sparse.get("modifier"))
    if found != (spec.dense_size, "Cosine", "idf"):
        raise StoreMismatchError(
            f"Collection {spec.name!r} of the embedded store has {config.get('vectors')} and "
            f"{config.get('sparse_vectors')}; this version needs {spec.dense_size} dimensions "
            f"(Cosine) as {DENSE_VECTOR!r} and words with IDF as {SPARSE_VECTOR!r}. Choose another "
            "collection name, or drop the collection and materialize again."
        )


def _search(
    shard: qdrant_edge.EdgeShard, query: qdrant_edge.Query, where: PointFilter, limit: int
) -> list[ScoredPoint]:
    request = qdrant_edge.QueryRequest(
        limit=limit,
        query=query,
        filter=to_edge_filter(where),
        with_payload=True,
        params=qdrant_edge.SearchParams(exact=True),
    )
    return [to_scored_point(hit) for hit in shard.query(request)]
