"""The whole point store port in memory, with Qdrant's semantics, and faults on demand."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from ingestion_pipeline.core.errors import StoreMismatchError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import (
    CollectionSpec,
    Point,
    PointFilter,
    ScoredPoint,
    SparseVector,
    StoredPoint,
)

NO_WORDS = SparseVector((), ())


@dataclass(frozen=True, slots=True)
class WriteFault:
    """An error at one write; ``upsert``, ``delete`` and ``delete_matching`` count as writes.

    Args:
        at_write: Number of the write, from 0; ``set_alias`` is one, too.
        error: What it raises.
        when: ``before`` the write takes effect, or ``after`` it did (the answer got lost).
    """

    at_write: int
    error: BaseException
    when: Literal["before", "after"] = "before"


class FakePointStore(PointStore):
    """Starts with what the constructor is given and shows what happened as properties."""

    def __init__(
        self,
        specs: Sequence[CollectionSpec] = (),
        points: Mapping[str, Sequence[Point]] | None = None,
        *,
        faults: Sequence[WriteFault] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._points: dict[str, dict[str, Point]] = {spec.name: {} for spec in specs}
        self._aliases = dict(aliases or {})
        self._faults = tuple(faults)
        self._writes = 0
        self._upserted: list[str] = []
        self._deleted: list[str] = []
        self._is_closed = False
        for collection, given in (points or {}).items():
            self._put(collection, given)

    @property
    def collections(self) -> Mapping[str, Mapping[str, Point]]:
        """Collection → id → point, dense vectors normalised as the store returns them."""
        return MappingProxyType(
            {name: MappingProxyType(points) for name, points in self._points.items()}
        )

    @property
    def specs(self) -> Mapping[str, CollectionSpec]:
        return MappingProxyType(self._specs)

    @property
    def aliases(self) -> Mapping[str, str]:
        return MappingProxyType(self._aliases)

    @property
    def upserted_ids(self) -> tuple[str, ...]:
        """Ids in the order of their upserts, repeated ones included."""
        return tuple(self._upserted)

    @property
    def deleted_ids(self) -> tuple[str, ...]:
        """Ids that were there and went, in order."""
        return tuple(self._deleted)

    @property
    def write_count(self) -> int:
        """Writes tried so far, failed ones included."""
        return self._writes

    @property
    def closed(self) -> bool:
        return self._is_closed

    # -- the port

    def ensure_collection(self, spec: CollectionSpec) -> None:
        existing = self._specs.setdefault(spec.name, spec)
        if existing.dense_size != spec.dense_size:
            raise StoreMismatchError(
                f"{spec.name!r} has {existing.dense_size} dimensions, not {spec.dense_size}."
            )
        self._points.setdefault(spec.name, {})

    def list_collections(self) -> list[str]:
        return sorted(self._points)

    def drop_collection(self, collection: str) -> None:
        self._points.pop(collection, None)
        self._specs.pop(collection, None)

    def set_alias(self, alias: str, collection: str) -> None:
        def write() -> None:
            if collection not in self._points:
                raise StoreMismatchError(f"Collection {collection!r} does not exist.")
            if alias in self._points:
                raise StoreMismatchError(f"{alias!r} cannot be an alias: a collection's name.")
            self._aliases[alias] = collection

        self._perform(write)

    def find_alias(self, alias: str) -> str | None:
        named = self._aliases.get(alias)
        return named if named in self._points else None

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        def write() -> None:
            self._put(collection, points)
            self._upserted.extend(point.id for point in points)

        if points:
            self._perform(write)

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        if ids:
            self._perform(lambda: self._remove(collection, ids))

    def delete_matching(self, collection: str, where: PointFilter) -> None:
        if not where.equals:
            raise ValueError("An empty filter would delete every point.")
        self._perform(
            lambda: self._remove(collection, [point.id for point in self._match(collection, where)])
        )

    def retrieve(
        self, collection: str, ids: Sequence[str], *, with_vectors: bool = False
    ) -> list[StoredPoint]:
        points = self._points.get(collection, {})
        return [_show(points[key], with_vectors) for key in dict.fromkeys(ids) if key in points]

    def scroll(
        self,
        collection: str,
        where: PointFilter,
        *,
        with_vectors: bool = False,
        batch_size: int = 1000,
    ) -> Iterator[StoredPoint]:
        for point in sorted(self._match(collection, where), key=lambda point: point.id):
            yield _show(point, with_vectors)

    def count(self, collection: str, where: PointFilter) -> int:
        return len(self._match(collection, where))

    def search_dense(
        self, collection: str, vector: Sequence[float], where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        query = _normalise(vector)
        scores = {
            point.id: sum(a * b for a, b in zip(query, point.dense, strict=True))
            for point in self._match(collection, where)
        }
        return self._rank(collection, scores, limit)

    def search_sparse(
        self, collection: str, vector: SparseVector, where: PointFilter, limit: int
    ) -> list[ScoredPoint]:
        weights = self._weigh(collection, vector)
        scores: dict[str, float] = {}
        for point in self._match(collection, where):
            words = dict(zip(point.sparse.indices, point.sparse.values, strict=True))
            if shared := words.keys() & weights.keys():
                scores[point.id] = sum(words[word] * weights[word] for word in shared)
        return self._rank(collection, scores, limit)

    def close(self) -> None:
        self._is_closed = True

    # -- inside

    def _perform(self, write: Callable[[], None]) -> None:
        faults = [fault for fault in self._faults if fault.at_write == self._writes]
        self._writes += 1
        for fault in faults:
            if fault.when == "before":
                raise fault.error
        write()
        for fault in faults:
            raise fault.error

    def _put(self, collection: str, points: Sequence[Point]) -> None:
        stored, spec = self._require(collection), self._specs[collection]
        for point in points:
            if len(point.dense) != spec.dense_size:
                raise StoreMismatchError(
                    f"{collection!r} has {spec.dense_size} dimensions, not {len(point.dense)}."
                )
        for point in points:
            stored[point.id] = replace(
                point, dense=_normalise(point.dense), payload=dict(point.payload)
            )

    def _remove(self, collection: str, ids: Sequence[str]) -> None:
        stored = self._require(collection)
        self._deleted.extend(key for key in dict.fromkeys(ids) if stored.pop(key, None))

    def _require(self, collection: str) -> dict[str, Point]:
        if collection not in self._points:
            raise StoreMismatchError(f"Collection {collection!r} does not exist.")
        return self._points[collection]

    def _match(self, collection: str, where: PointFilter) -> list[Point]:
        return [
            point
            for point in self._points.get(collection, {}).values()
            if all(_holds(point.payload.get(key), value) for key, value in where.equals.items())
        ]

    def _weigh(self, collection: str, query: SparseVector) -> dict[int, float]:
        """Multiply with ln(1 + (N - n + 0.5) / (n + 0.5)), Qdrant's IDF.

        N are the points with words, n those with the word.
        """
        vectors = [p.sparse for p in self._points.get(collection, {}).values() if p.sparse.indices]
        frequency = Counter(index for vector in vectors for index in vector.indices)
        return {
            index: value
            * math.log1p((len(vectors) - frequency[index] + 0.5) / (frequency[index] + 0.5))
            for index, value in zip(query.indices, query.values, strict=True)
        }

    def _rank(self, collection: str, scores: dict[str, float], limit: int) -> list[ScoredPoint]:
        best = sorted(scores.items(), key=lambda entry: -entry[1])[:limit]
        points = self._points.get(collection, {})
        return [ScoredPoint(key, score, dict(points[key].payload)) for key, score in best]


def _show(point: Point, with_vectors: bool) -> StoredPoint:
    payload = dict(point.payload)
    if not with_vectors:
        return StoredPoint(point.id, payload)
    return StoredPoint(point.id, payload, point.dense, point.sparse)


def _normalise(vector: Sequence[float]) -> tuple[float, ...]:
    length = math.hypot(*vector)
    return tuple(value / length for value in vector) if length else tuple(vector)


def _holds(stored: Any, wanted: str | int | tuple[str, ...]) -> bool:
    """Whether a payload value, or one element of a list, is what the filter wants."""
    values = stored if isinstance(stored, list) else [stored]
    return any(
        value in wanted if isinstance(wanted, tuple) else value == wanted for value in values
    )
