"""Whether two stores say the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingestion_pipeline.core.points import StoredPoint


def assert_same_points(found: Sequence[StoredPoint], expected: Sequence[StoredPoint]) -> None:
    """Compare ids, payloads and dense vectors; when they were written may differ."""
    assert expected
    assert [point.id for point in found] == [point.id for point in expected]
    for one, other in zip(found, expected, strict=True):
        assert _lasting(one) == _lasting(other)
        assert one.dense is not None
        assert other.dense is not None
        np.testing.assert_allclose(one.dense, other.dense, atol=1e-5)


def _lasting(point: StoredPoint) -> dict[str, Any]:
    return {key: value for key, value in point.payload.items() if key != "last_indexed_at"}
