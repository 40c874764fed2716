"""Asset checks: is what we believe in the store really there?"""

from collections.abc import Iterator

import dagster as dg
import numpy as np

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import RepositoryNotTrackedError
from ingestion_pipeline.core.points import PointFilter, StoredPoint
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.orchestration.partitions import ASSET_KEY, tracked_repositories
from ingestion_pipeline.points.build import REPOSITORY_KIND

UNIT_LENGTH_TOLERANCE = 1e-3


def _open(context: dg.AssetCheckExecutionContext) -> tuple[Services, TrackedRepository]:
    services: Services = context.resources.services
    key = context.partition_key
    repository = services.state.find_repository(key)
    if repository is None:
        raise RepositoryNotTrackedError(f"{key} is not tracked: `ingestion-pipeline track {key}`.")
    return services, repository


@dg.asset_check(
    asset=ASSET_KEY,
    partitions_def=tracked_repositories,
    required_resource_keys={"services"},
    description="The store holds as many points of this repository as the state says.",
)
def points_match_state(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Count both sides."""
    services, repository = _open(context)
    stored = services.store.count(
        services.collection.name, PointFilter({"source": str(repository.source)})
    )
    expected = services.state.count_points(repository.source)
    return dg.AssetCheckResult(
        passed=stored == expected, metadata={"stored": stored, "expected": expected}
    )


@dg.asset_check(
    asset=ASSET_KEY,
    partitions_def=tracked_repositories,
    required_resource_keys={"services"},
    description="The newest last_pushed_at in the payload is the materialization's.",
)
def pushed_at_matches_materialization(
    context: dg.AssetCheckExecutionContext,
) -> dg.AssetCheckResult:
    """Compare the repository points' stamp with the last materialization's data version."""
    services, repository = _open(context)
    where = PointFilter({"source": str(repository.source), "kind": REPOSITORY_KIND})
    stamps = [
        str(point.payload["last_pushed_at"])
        for point in services.store.scroll(services.collection.name, where)
    ]
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=ASSET_KEY, asset_partitions=[context.partition_key]),
        limit=1,
    ).records
    materialization = records[0].asset_materialization if records else None
    pushed_at = materialization.metadata["pushed_at"].value if materialization else None
    # A repository without any branch has no point that could carry the stamp.
    passed = max(stamps) == pushed_at if stamps else pushed_at is not None
    return dg.AssetCheckResult(
        passed=passed,
        metadata={"payload": max(stamps, default="none"), "materialization": str(pushed_at)},
    )


@dg.asset_check(
    asset=ASSET_KEY,
    partitions_def=tracked_repositories,
    required_resource_keys={"services"},
    description="Every dense vector is finite and of unit length.",
)
def vectors_are_unit_length(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Read every vector back."""
    services, repository = _open(context)
    where = PointFilter({"source": str(repository.source)})
    points = services.store.scroll(services.collection.name, where, with_vectors=True)
    looked_at, bad = 0, list[str]()
    for point in points:
        looked_at += 1
        if not _is_unit_length(point):
            bad.append(point.id)
    return dg.AssetCheckResult(
        passed=not bad, metadata={"points": looked_at, "bad": len(bad), "examples": bad[:5]}
    )


def _is_unit_length(point: StoredPoint) -> bool:
    if point.dense is None:
        return False
    norm = float(np.linalg.norm(np.asarray(point.dense, dtype=np.float64)))
    return bool(np.isfinite(norm)) and abs(norm - 1) <= UNIT_LENGTH_TOLERANCE


def all_checks() -> Iterator[dg.AssetChecksDefinition]:
    """Yield every check of the asset."""
    yield points_match_state
    yield pushed_at_matches_materialization
    yield vectors_are_unit_length
