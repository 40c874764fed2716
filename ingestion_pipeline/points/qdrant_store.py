"""The served point store: a Qdrant server or cluster, through qdrant-client."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from qdrant_client import QdrantClient, models
from qdrant_client.conversions.common_types import PointId
from tenacity.wait import wait_base

from ingestion_pipeline.core.errors import PermanentError, StoreMismatchError
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
from ingestion_pipeline.points.qdrant_convert import (
    split_batches,
    to_filter_model,
    to_model,
    to_scored_point,
    to_sparse_model,
    to_stored_point,
)
from ingestion_pipeline.points.qdrant_layout import (
    check_vectors,
    describe_address,
    is_local,
    make_client,
    make_index,
    make_sparse_vectors,
    make_vectors,
)
from ingestion_pipeline.points.qdrant_retry import (
    ATTEMPTS,
    DEFAULT_WAIT,
    MissingCollectionError,
    RetryingCaller,
)

_T = TypeVar("_T")

# Qdrant refuses requests over 32 MiB unless told otherwise (`service.max_request_size_mb`).
BATCH_BYTES = 8 * 1024 * 1024
BATCH_POINTS = 1000


class QdrantPointStore(PointStore):
    """Points in a Qdrant server or cluster (REST, API of version 1.15 and later).

    Args:
        url: ``http(s)://host:port``, with a path behind a proxy.
        api_key: Sent as a header and never shown; None for a server without keys.
        timeout_seconds: Time limit of one request.
        batch_bytes: Most bytes of points in one upsert, about.
        batch_points: Most points or ids in one request.
        shard_number: Shards of a new collection; None leaves it to the server.
        replication_factor: Replicas of each shard of a new collection; None as above.
        attempts: Most tries of one request, see ``qdrant_retry``.
        wait: Tenacity's wait between tries.
        sleep: How to wait between tries.
        client: A ready client instead of ``url`` and ``api_key``, for example
            ``QdrantClient(":memory:")``; it is closed with the store.
    """

    def __init__(
        self,
        url: str = "",
        api_key: str | None = None,
        *,
        timeout_seconds: float = 60,
        batch_bytes: int = BATCH_BYTES,
        batch_points: int = BATCH_POINTS,
        shard_number: int | None = None,
        replication_factor: int | None = None,
        attempts: int = ATTEMPTS,
        wait: wait_base = DEFAULT_WAIT,
        sleep: Callable[[float], None] = time.sleep,
        client: QdrantClient | None = None,
    ) -> None:
        self._client = client or make_client(url, api_key, timeout_seconds)
        self._caller = RetryingCaller(describe_address(url), attempts, wait, sleep)
        self._batch_bytes = batch_bytes
        self._batch_points = batch_points
        self._shard_number = shard_number
        self._replication_factor = replication_factor
        # Local mode has no payload indexes and warns when asked for one.
        self._has_indexes = client is None or not is_local(client)

    def ensure_collection(self, spec: CollectionSpec) -> None:
        """Create the collection and its payload indexes where they are missing; idempotent.

        Raises:
            StoreMismatchError: It exists with other vectors.
        """
        info = self._read(lambda: self._client.get_collection(spec.name), None)
        if info is None:
            info = self._create(spec)
        check_vectors(spec, info)
        if self._has_indexes:
            for field in dict.fromkeys((spec.tenant_field, *spec.keyword_indexes)):
                if field not in info.payload_schema:
                    self._create_index(spec, field)

    def list_collections(self) -> list[str]:
        """Return the names of all collections, sorted."""
        answer = self._caller.call(self._client.get_collections)
        return sorted(collection.name for collection in answer.collections)

    def drop_collection(self, collection: str) -> None:
        """Delete a collection with all its points; nothing happens when there is none."""
        self._read(lambda: self._client.delete_collection(collection), None)

    def set_alias(self, alias: str, collection: str) -> None:
        """Make a name stand for a collection, in one request, whatever it stood for before.

        Raises:
            StoreMismatchError: There is no such collection, or the alias is the name of one.
        """
        if alias in self.list_collections():
            raise StoreMismatchError(
                f"{alias!r} cannot be an alias: a collection is called so. Choose another name, or "
                "drop that collection."
            )
        created = models.CreateAlias(collection_name=collection, alias_name=alias)
        operations: list[models.AliasOperations] = [
            models.CreateAliasOperation(create_alias=created)
        ]
        if self.find_alias(alias) is not None:
            deleted = models.DeleteAlias(alias_name=alias)
            operations.insert(0, models.DeleteAliasOperation(delete_alias=deleted))
        self._write(collection, lambda: self._client.update_collection_aliases(operations))

    def find_alias(self, alias: str) -> str | None:
        """Return the collection that a name stands for; None for none."""
        answer = self._caller.call(self._client.get_aliases)
        named = {one.alias_name: one.collection_name for one in answer.aliases}
        return named.get(alias)

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert or replace points, whole, in batches within both limits, waiting for each."""
        batches = split_batches(
            points, batch_points=self._batch_points, batch_bytes=self._batch_bytes
        )
        for batch in batches:
            structs = [to_model(point) for point in batch]
            self._write(
                collection,
                lambda structs=structs: self._client.upsert(collection, structs, wait=True),
            )

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Delete points by id; unknown ids are ignored."""
        for batch in self._split_ids(ids):
            selector = models.PointIdsList(points=batch)
            self._write(
                collection,
                lambda selector=selector: self._client.delete(collection, selector, wait=True),
            )

    def delete_matching(self, collection: str, where: PointFilter) -> None:
        """Delete every point that matches.

        Raises:
            ValueError: The filter is empty, which would delete everything.
        """
        conditions = to_filter_model(where)
        if conditions is None:
            raise ValueError(
                "An empty filter would delete every point; drop the collection instead."
            )
        selector = models.FilterSelector(filter=conditions)
        self._write(collection, lambda: self._client.delete(collection, selector, wait=True))

    def retrieve(
        self, collection: str, ids: Sequence[str], *, with_vectors: bool = False
    ) -> list[StoredPoint]:
        """Return the points that exist among ``ids``, in no particular order."""
        found: list[StoredPoint] = []
        for batch in self._split_ids(dict.fromkeys(ids)):
            records = self._read(
                lambda batch=batch: self._client.retrieve(
                    collection, batch, with_payload=True, with_vectors=with_vectors
                ),
                [],
            )
            found += (to_stored_point(record, with_vectors=with_vectors) for record in records)
        return found

    def scroll(
        self,
        collection: str,
        where: PointFilter,
        *,
        with_vectors: bool = False,
        batch_size: int = 1000,
    ) -> Iterator[StoredPoint]:
        """Yield every matching point once, ordered by id."""
        offset: PointId | None = None
        while True:
            records, offset = self._read(
                lambda offset=offset: self._client.scroll(
                    collection,
                    scroll_filter=to_filter_model(where),
                    limit=batch_size,
                    offset=offset,
                    with_payload=True,
                    with_vectors=with_vectors,
                ),
                ([], None),
            )
            for record in records:
                yield to_stored_point(record, with_vectors=with_vectors)
            if offset is None:
                return

    def count(self, collection: str, where: PointFilter) -> int:
        """Return the exact number of matching points."""
        answer = self._read(
            lambda: self._client.count(collection, count_filter=to_filter_model(where), exact=True),
            models.CountResult(count=0),
        )
        return answer.count

    def search_dense(
        self, collection: str, vector: Sequence[float], where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        """Return the nearest points by cosine similarity, best first."""
        return self._search(collection, list(vector), DENSE_VECTOR, where, limit)

    def search_sparse(
        self, collection: str, vector: SparseVector, where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        """Return the best points by dot product with inverse document frequency, best first.

        The document frequency is counted over the whole collection; on a cluster over each shard,
        and points deleted a moment ago may still count.
        """
        if not vector.indices:
            return []
        return self._search(collection, to_sparse_model(vector), SPARSE_VECTOR, where, limit)

    def close(self) -> None:
        """Close the connections; the store is not used afterwards."""
        self._client.close()

    def _search(
        self,
        collection: str,
        query: list[float] | models.SparseVector,
        using: str,
        where: PointFilter,
        limit: int,
    ) -> list[ScoredPoint]:
        answer = self._read(
            lambda: self._client.query_points(
                collection,
                query=query,
                using=using,
                query_filter=to_filter_model(where),
                limit=limit,
                with_payload=True,
            ),
            None,
        )
        return [] if answer is None else [to_scored_point(hit) for hit in answer.points]

    def _read(self, function: Callable[[], _T], when_missing: _T) -> _T:
        try:
            return self._caller.call(function)
        except MissingCollectionError:
            return when_missing

    def _write(self, collection: str, function: Callable[[], _T]) -> _T:
        try:
            return self._caller.call(function)
        except MissingCollectionError:
            raise StoreMismatchError(
                f"Collection {collection!r} does not exist. Create it before writing to it."
            ) from None

    def _split_ids(
        self, ids: Sequence[str] | dict[str, None]
    ) -> Iterator[list[models.ExtendedPointId]]:
        remaining = iter(ids)
        while batch := list[models.ExtendedPointId](islice(remaining, self._batch_points)):
            yield batch

    def _create(self, spec: CollectionSpec) -> models.CollectionInfo:
        try:
            self._caller.call(
                lambda: self._client.create_collection(
                    spec.name,
                    vectors_config=make_vectors(spec),
                    sparse_vectors_config=make_sparse_vectors(),
                    shard_number=self._shard_number,
                    replication_factor=self._replication_factor,
                )
            )
        except PermanentError as error:
            # Another run, or our own first try whose answer was lost, made it in between.
            if "already exists" not in str(error):
                raise
        return self._write(spec.name, lambda: self._client.get_collection(spec.name))

    def _create_index(self, spec: CollectionSpec, field: str) -> None:
        schema = make_index(is_tenant=field == spec.tenant_field)
        self._write(
            spec.name,
            lambda: self._client.create_payload_index(spec.name, field, schema, wait=True),
        )
