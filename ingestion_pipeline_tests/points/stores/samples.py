"""Points and filters that the tests of the stores share."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ingestion_pipeline.core.points import (
    CollectionSpec,
    Point,
    PointFilter,
    SparseVector,
    make_point_id,
)
from ingestion_pipeline.core.repositories import SourceId, SourceKind

SOURCE = SourceId(SourceKind.GITHUB, "42")
EVERYTHING = PointFilter({})
SIZE = 4


def make_spec(name: str, dense_size: int = SIZE) -> CollectionSpec:
    # Two of the payload indexes instead of six: each takes Edge some 20 files to create.
    return CollectionSpec(name, dense_size, keyword_indexes=("source", "kind"))


def make_id(number: int) -> str:
    return make_point_id(SOURCE, "main", f"file{number}.py")


def words(*indices: int, value: float = 1.0) -> SparseVector:
    return SparseVector(tuple(sorted(indices)), (value,) * len(indices))


def make_point(
    number: int,
    /,
    *,
    dense: Iterable[float] = (1.0, 0.0, 0.0, 0.0),
    sparse: SparseVector | None = None,
    **payload: Any,
) -> Point:
    values = {"source": str(SOURCE), "branch": "main", "path": f"file{number}.py", **payload}
    return Point(
        make_id(number), normalise(dense), words(number) if sparse is None else sparse, values
    )


def normalise(vector: Iterable[float]) -> tuple[float, ...]:
    values = tuple(vector)
    length = math.hypot(*values)
    return tuple(value / length for value in values)


def where(**equals: str | int | tuple[str, ...]) -> PointFilter:
    conditions: Mapping[str, str | int | tuple[str, ...]] = equals
    return PointFilter(conditions)
