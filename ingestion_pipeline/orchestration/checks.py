"""Asset checks: is what we believe in the store really there?

Within the run of a partition they look at that repository, launched alone at every tracked one.
(A check with partitions of its own is a preview feature of Dagster 1.13.)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.points import PointFilter, StoredPoint
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.orchestration.partitions import ASSET_KEY, PARTITION_TAG
from ingestion_pipeline.orchestration.run_facts import read_materializations
from ingestion_pipeline.points.build import REPOSITORY_KIND

UNIT_LENGTH_TOLERANCE = 1e-3
_EXAMPLES = 5
_DESCRIPTION_CHARACTERS = 1000

Problem = dict[str, Any]
LookAt = Callable[[TrackedRepository], Problem | None]


@dg.asset_check(
    asset=ASSET_KEY,
    required_resource_keys={"services"},
    description="The store holds as many points of each repository as the state says.",
)
def points_match_state(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Count both sides."""
    services: Services = context.resources.services

    def look_at(repository: TrackedRepository) -> Problem | None:
        where = PointFilter({"source": str(repository.source)})
        stored = services.store.count(services.collection.name, where)
        expected = services.state.count_points(repository.source)
        return None if stored == expected else {"stored": stored, "expected": expected}

    return _check_each(_choose(context, services), look_at)


@dg.asset_check(
    asset=ASSET_KEY,
    required_resource_keys={"services"},
    description="The newest last_pushed_at in the payload is the materialization's.",
)
def pushed_at_matches_materialization(
    context: dg.AssetCheckExecutionContext,
) -> dg.AssetCheckResult:
    """Compare the repository points' stamp with the newest materialization's data version."""
    services: Services = context.resources.services
    materialized = read_materializations(context.instance)

    def look_at(repository: TrackedRepository) -> Problem | None:
        known = materialized.get(repository.partition_key)
        where = PointFilter({"source": str(repository.source), "kind": REPOSITORY_KIND})
        points = services.store.scroll(services.collection.name, where)
        stamps = [str(point.payload["last_pushed_at"]) for point in points]
        # Without a branch there is no point to carry the stamp, and nothing was promised.
        if known is None or not stamps:
            return None
        expected = known.pushed_at or ""
        return None if max(stamps) == expected else {"payload": stamps, "expected": expected}

    return _check_each(_choose(context, services), look_at)


@dg.asset_check(
    asset=ASSET_KEY,
    required_resource_keys={"services"},
    description="Every dense vector is finite and of unit length.",
)
def vectors_are_unit_length(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Read every vector back."""
    services: Services = context.resources.services

    def look_at(repository: TrackedRepository) -> Problem | None:
        where = PointFilter({"source": str(repository.source)})
        points = services.store.scroll(services.collection.name, where, with_vectors=True)
        bad = [point.id for point in points if not is_unit_length(point)]
        return {"bad": len(bad), "examples": bad[:_EXAMPLES]} if bad else None

    return _check_each(_choose(context, services), look_at)


def is_unit_length(point: StoredPoint) -> bool:
    """Whether the dense vector is there, finite, and of length 1 within a thousandth."""
    if point.dense is None:
        return False
    norm = float(np.linalg.norm(np.asarray(point.dense, dtype=np.float64)))
    return bool(np.isfinite(norm)) and abs(norm - 1) <= UNIT_LENGTH_TOLERANCE


def all_checks() -> Sequence[dg.AssetChecksDefinition]:
    """Return every check of the asset."""
    return [points_match_state, pushed_at_matches_materialization, vectors_are_unit_length]


def _choose(
    context: dg.AssetCheckExecutionContext, services: Services
) -> Sequence[TrackedRepository]:
    key = context.run.tags.get(PARTITION_TAG)
    rows = services.state.list_repositories()
    if key is None:
        return rows
    # A run that began before a rename is still about the same repository.
    return [row for row in rows if key in (row.partition_key, *row.former_keys)]


def _check_each(rows: Sequence[TrackedRepository], look_at: LookAt) -> dg.AssetCheckResult:
    problems: Mapping[str, Problem] = {
        row.partition_key: problem for row in rows if (problem := look_at(row)) is not None
    }
    wrong = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
    looked_at = rows[0].partition_key if len(rows) == 1 else f"{len(rows):,} repositories"
    return dg.AssetCheckResult(
        passed=not problems,
        # Checks have no partitions yet, so the UI tells by this line alone what was looked at.
        description=(wrong or f"{looked_at}: as it should be.")[:_DESCRIPTION_CHARACTERS],
        metadata={"repositories": len(rows), "problems": dg.MetadataValue.json(dict(problems))},
    )
