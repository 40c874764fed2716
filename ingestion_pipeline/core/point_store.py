"""The point store port: what Qdrant, embedded or served, must do for us."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from ingestion_pipeline.core.points import (
    CollectionSpec,
    Point,
    PointFilter,
    ScoredPoint,
    SparseVector,
    StoredPoint,
)


class PointStore(ABC):
    """Holds points in named collections.

    Every method may raise ``PointStoreUnavailableError`` (after the adapter's own retries) and
    ``AuthenticationError``. A write has been acknowledged and is durable when its method returns.
    Reading from a collection that does not exist behaves as reading from an empty one; writing to
    one raises ``StoreMismatchError``.
    """

    @abstractmethod
    def ensure_collection(self, spec: CollectionSpec) -> None:
        """Create the collection and its payload indexes where they are missing; idempotent.

        Raises:
            StoreMismatchError: It exists with other vectors.
        """

    @abstractmethod
    def list_collections(self) -> list[str]:
        """Return the names of all collections, sorted."""

    @abstractmethod
    def drop_collection(self, collection: str) -> None:
        """Delete a collection with all its points; nothing happens when there is none."""

    @abstractmethod
    def set_alias(self, alias: str, collection: str) -> None:
        """Make a name stand for a collection, in one step, whatever it stood for before.

        Raises:
            StoreMismatchError: There is no such collection, or the alias is the name of one.
        """

    @abstractmethod
    def find_alias(self, alias: str) -> str | None:
        """Return the collection that a name stands for; None for none, also once that is dropped.

        The other methods take names of collections; whether they take an alias is the store's.
        """

    @abstractmethod
    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert or replace points, whole, in batches of the adapter's choosing."""

    @abstractmethod
    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Delete points by id; unknown ids are ignored."""

    @abstractmethod
    def delete_matching(self, collection: str, where: PointFilter) -> None:
        """Delete every point that matches.

        Raises:
            ValueError: The filter is empty, which would delete everything.
        """

    @abstractmethod
    def retrieve(
        self, collection: str, ids: Sequence[str], *, with_vectors: bool = False
    ) -> list[StoredPoint]:
        """Return the points that exist among ``ids``, in no particular order."""

    @abstractmethod
    def scroll(
        self,
        collection: str,
        where: PointFilter,
        *,
        with_vectors: bool = False,
        batch_size: int = 1000,
    ) -> Iterator[StoredPoint]:
        """Yield every matching point once, ordered by id."""

    @abstractmethod
    def count(self, collection: str, where: PointFilter) -> int:
        """Return the exact number of matching points."""

    @abstractmethod
    def search_dense(
        self, collection: str, vector: Sequence[float], where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        """Return the nearest points by cosine similarity, best first."""

    @abstractmethod
    def search_sparse(
        self, collection: str, vector: SparseVector, where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        """Return the best points by dot product with inverse document frequency, best first.

        The document frequency is counted over the whole collection.
        """

    @abstractmethod
    def close(self) -> None:
        """Release connections and locks; the store is not used afterwards."""
