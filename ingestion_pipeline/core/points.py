"""Points: ids, vectors, payload, and what a store answers."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion_pipeline.core.repositories import SourceId

# UUIDv5 namespace of every point this project has ever written; changing it orphans all of them.
POINT_NAMESPACE = uuid.UUID("6f1c3b0e-6f0e-5f0b-9d5e-0d1f5a7c2b11")

DENSE_VECTOR = "text"
SPARSE_VECTOR = "words"


@dataclass(frozen=True, slots=True)
class SparseVector:
    """A sparse vector: ids strictly increasing, as many values as ids."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point as it is written.

    Args:
        id: UUIDv5, see ``make_point_id``.
        dense: The encoder's vector, unit length, under the name ``text``.
        sparse: Words with saturated term frequencies, under the name ``words``; the store applies
            the inverse document frequency.
        payload: JSON values only.
    """

    id: str
    dense: tuple[float, ...]
    sparse: SparseVector
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """One point as it is read back; vectors are None unless they were asked for."""

    id: str
    payload: Mapping[str, Any]
    dense: tuple[float, ...] | None = None
    sparse: SparseVector | None = None


@dataclass(frozen=True, slots=True)
class ScoredPoint:
    """One search hit: a higher score is better; scores compare within one answer only."""

    id: str
    score: float
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection must look like.

    Args:
        name: ``<content>_<embedding version>``, for example ``code_hashbag-1``.
        dense_size: Dimensions of the vector ``text`` (cosine distance).
        keyword_indexes: Payload fields with a keyword index.
        tenant_field: The keyword field that says whose a point is.
    """

    name: str
    dense_size: int
    keyword_indexes: tuple[str, ...] = ("source", "branch", "kind", "path", "language", "repo")
    tenant_field: str = "source"


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Conditions that must all hold; an empty filter matches everything.

    Args:
        equals: Payload field → value, or a tuple of values of which one must match.
    """

    equals: Mapping[str, str | int | tuple[str, ...]]

    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a point with this payload would be found."""
        return all(
            payload.get(name) in (wanted if isinstance(wanted, tuple) else (wanted,))
            for name, wanted in self.equals.items()
        )


def make_point_id(source: SourceId, branch: str, document_id: str, part: str = "") -> str:
    """Return the UUIDv5 of a point.

    Args:
        source: Stable source; never its name.
        branch: Branch of a repository; "" for sources without branches.
        document_id: Path of a file, or the document's own id; "" for the source's own point.
        part: Symbol key or chunk key; "" for the document itself.

    The four parts are joined with their lengths, so that no two tuples share an id.
    """
    parts = (source.kind.value, source.stable_id, branch, document_id, part)
    return str(uuid.uuid5(POINT_NAMESPACE, "".join(f"{len(p)}:{p}" for p in parts)))


@dataclass(frozen=True, slots=True)
class IndexStamp:
    """The volatile facts of one sync that go into payloads but never into a content hash.

    Args:
        commit_sha: Head that was indexed.
        pushed_at: The host's own string, "" when it has none.
        indexed_at: When this sync writes, UTC.
    """

    commit_sha: str
    pushed_at: str
    indexed_at: datetime
